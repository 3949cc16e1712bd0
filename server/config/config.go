// Package config is the file gabion.yaml: its types, defaults, checks and the errors that a person can act on.
//
// The types here are the vocabulary, nothing else: what a key does is the business of the package that takes it.
// The section of a policy is the Config of the kit's package of the same name. The tag `default` holds a field's
// default as it would be written in the file, or the name of another key of the section whose value is the default;
// `derived` says in words what holds when neither can. `enum` lists what is allowed, `off` allows "off", `zero` allows
// 0, `required` forbids to leave the key out, and `example` is a value for the documentation. The field's comment is
// what `gabion explain` prints.
package config

//go:generate go run ./internal/comments/write
//go:generate go test -run ^TestGenerated . -rewrite

import (
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/hedge"
	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/shed"
	"github.com/gabion-io/gabion/timeout"
)

// File is the whole of gabion.yaml.
type File struct {
	// Gateway is where Gabion listens and what it accepts.
	Gateway Gateway `yaml:"gateway"`
	// Data is the directory for everything that is kept on disk. With off nothing is: no metrics, no logs.
	Data string `yaml:"data" default:"./gabion-data"`
	// Services are what requests are sent to, by name.
	Services map[string]Service `yaml:"services" derived:"none"`
	// Routes say which requests go to which service. The most specific match wins, then the first in the file.
	Routes []Route `yaml:"routes" derived:"none, and every request gets 404"`
	// Limits are rules that routes refer to by name.
	Limits map[string]Limit `yaml:"limits" derived:"none"`
	// Metrics says how long metrics are kept, and which are fetched from others.
	Metrics Metrics `yaml:"metrics"`
	// Ingest is what other systems may send here besides what the admin address takes.
	Ingest Ingest `yaml:"ingest"`
	// Logs says what is logged, and how long logs are kept.
	Logs Logs `yaml:"logs"`
	// Traces says what becomes of spans.
	Traces Traces `yaml:"traces"`
	// Alerts says who is told when the process that keeps metrics and logs has been away for two minutes (the alert StoreDown), and
	// once it has been back for half a minute.
	Alerts Alerts `yaml:"alerts"`
	// Drills says what may be made to fail on purpose.
	Drills Drills `yaml:"drills"`
}

// Gateway is where Gabion listens and what it accepts.
type Gateway struct {
	// Listen is one address or a list of them.
	Listen Listeners `yaml:"listen" default:":8080"`
	// Admin is the address of the admin API, the metrics and the probes. An address that other hosts can reach
	// needs a token.
	Admin string `yaml:"admin" default:"127.0.0.1:8081"`
	// Token is what a request from another host must carry as a bearer token to use the admin API.
	Token Secret `yaml:"token" derived:"none"`
	// Trusted are networks of proxies whose X-Forwarded-* and Gabion-* headers are believed.
	Trusted []Prefix `yaml:"trusted" derived:"none" example:"[10.0.0.0/8]"`
	// Drain is how long requests in flight may take to finish after SIGTERM.
	Drain time.Duration `yaml:"drain" default:"20s" zero:"true"`
	// MaxHeader bounds the head of a request.
	MaxHeader Size `yaml:"max_header" default:"64KiB"`
	// MaxBody bounds the body of a request.
	MaxBody Size `yaml:"max_body" default:"10MiB"`
	// HeaderTimeout is how long a client may take to send the head of a request.
	HeaderTimeout time.Duration `yaml:"header_timeout" default:"10s"`
	// IdleTimeout is how long a connection may stay open between requests.
	IdleTimeout time.Duration `yaml:"idle_timeout" default:"2m"`
}

// Listener is an address to listen on. In the file it may be the address alone.
type Listener struct {
	// Address is host:port; without a host, all interfaces.
	Address string `yaml:"address" required:"true" example:"127.0.0.1:8443"`
	// TLS switches TLS on.
	TLS *TLS `yaml:"tls" derived:"no TLS"`
}

// Listeners is one listener or a list.
type Listeners []Listener

// TLS is a certificate. The files are read again when they change.
type TLS struct {
	// Cert is the path of the PEM file with the certificate chain.
	Cert string `yaml:"cert" required:"true" example:"/etc/gabion/tls.crt"`
	// Key is the path of the PEM file with the private key.
	Key string `yaml:"key" required:"true" example:"/etc/gabion/tls.key"`
}

// Service is a set of endpoints that do the same work.
type Service struct {
	// Kind is what the service speaks. Only http can be routed to.
	Kind string `yaml:"kind" default:"http" enum:"http,postgres,redis,amqp,nats,tcp,external"`
	// Endpoints are where it runs.
	Endpoints []Endpoint `yaml:"endpoints" required:"true" example:"[http://127.0.0.1:9001]"`
	// Standby are endpoints that are used when none of Endpoints is healthy.
	Standby []Endpoint `yaml:"standby" derived:"none" example:"[http://127.0.0.1:9009]"`
	// Balance is how an endpoint is chosen. least_load: the less loaded of two random ones.
	Balance string `yaml:"balance" default:"least_load" enum:"least_load,round_robin,hash"`
	// Health is how sick endpoints are found.
	Health Health `yaml:"health"`
	// Timeout bounds requests to the service.
	Timeout Policy[Timeout] `yaml:"timeout"`
	// Retry sends a failed request again, to another endpoint where there is one.
	Retry Policy[Retry] `yaml:"retry"`
	// Breaker stops sending requests to what keeps failing; one for each endpoint and one for the service.
	Breaker Policy[Breaker] `yaml:"breaker"`
	// Bulkhead bounds how many requests the service has at a time. What fits depends on the service, so it is off by
	// default.
	Bulkhead Policy[bulkhead.Config] `yaml:"bulkhead" default:"off"`
	// Shed keeps a service that is offered more than it can do answering in time: it refuses what could not be, and what has
	// the lowest priority first. It is off by default.
	Shed Policy[shed.Config] `yaml:"shed" default:"off"`
	// Hedge sends a request that takes long again beside itself, to another endpoint where there is one, and takes the
	// first good answer. It is for requests that can be retried. It makes more load, so it is off by default.
	Hedge Policy[hedge.Config] `yaml:"hedge" default:"off"`
	// Fallback is what answers when the service cannot, in order.
	Fallback []Fallback `yaml:"fallback" derived:"none"`
	// DependsOn says what the service needs in turn, for weak points and drills.
	DependsOn DependsOn `yaml:"depends_on"`
	// Replicas says how many endpoints there should be.
	Replicas Replicas `yaml:"replicas"`
}

// Policy is the section of a policy, or "off".
type Policy[C any] struct {
	Off    bool
	Config C
}

// Endpoint is one place where a service runs. In the file it may be the URL alone.
type Endpoint struct {
	// URL is the address. Schemes: http, https, h2c (HTTP/2 without TLS, for gRPC); tcp for other kinds of service.
	URL string `yaml:"url" required:"true" example:"http://127.0.0.1:9001"`
	// Weight is the share of requests it gets, relative to the others'.
	Weight int `yaml:"weight" default:"1"`
	// Zone is where it stands.
	Zone string `yaml:"zone" derived:"none" example:"a"`
}

// Health is how sick endpoints are found.
type Health struct {
	// Active asks every endpoint regularly. It needs a path, so it is off by default.
	Active Policy[ActiveHealth] `yaml:"active" default:"off"`
	// Passive watches the answers to real requests.
	Passive Policy[PassiveHealth] `yaml:"passive"`
	// SlowStart is how long an endpoint that came back takes to get its full share. It can be off.
	SlowStart time.Duration `yaml:"slow_start" default:"10s" off:"true"`
}

// ActiveHealth asks every endpoint regularly.
type ActiveHealth struct {
	// Path is what is asked for. 2xx and 3xx are healthy.
	Path string `yaml:"path" required:"true" example:"/healthz"`
	// Interval is the time between two questions, ±10 %.
	Interval time.Duration `yaml:"interval" default:"2s"`
	// Timeout is how long an answer may take.
	Timeout time.Duration `yaml:"timeout" default:"500ms"`
	// UnhealthyAfter is how many bad answers in a row take an endpoint out.
	UnhealthyAfter int `yaml:"unhealthy_after" default:"2"`
	// HealthyAfter is how many good answers in a row bring it back.
	HealthyAfter int `yaml:"healthy_after" default:"2"`
}

// PassiveHealth watches the answers to real requests and ejects endpoints that fail.
type PassiveHealth struct {
	// ConsecutiveErrors is how many errors in a row eject an endpoint.
	ConsecutiveErrors int `yaml:"consecutive_errors" default:"5"`
	// ErrorRate ejects an endpoint when this share of at least 20 requests in 10 s failed.
	ErrorRate gabion.Share `yaml:"error_rate" default:"50%"`
	// EjectFor is how long an endpoint stays out before trial requests; it doubles with each ejection in a row.
	EjectFor time.Duration `yaml:"eject_for" default:"10s"`
	// MaxEjected bounds the share of endpoints that are out at the same time. One always stays.
	MaxEjected gabion.Share `yaml:"max_ejected" default:"50%"`
}

// Timeout bounds requests to a service.
type Timeout struct {
	timeout.Config `yaml:",inline"`
	// Connect bounds how long a new connection may take.
	Connect time.Duration `yaml:"connect" default:"200ms"`
}

// Retry says when a failed request is sent again.
type Retry struct {
	retry.Config `yaml:",inline"`
	// On lists what is retried: connect, reset, timeout, or a status.
	On []string `yaml:"on" default:"[connect, reset, timeout, 502, 503, 504]"`
	// Methods are safe to send twice. Others are retried only when not one byte was sent.
	Methods []string `yaml:"methods" default:"[GET, HEAD, OPTIONS]"`
}

// Breaker is the kit's breaker and what the gateway does when it opens.
type Breaker struct {
	breaker.Config `yaml:",inline"`
	// DropConnections closes every connection to the failing endpoint when its breaker opens.
	DropConnections bool `yaml:"drop_connections" default:"true"`
}

// Fallback is one thing that can answer in place of a service: exactly one field is set.
type Fallback struct {
	// Service is another service that gets the request.
	Service string `yaml:"service" derived:"none" example:"catalog-static"`
	// Respond is a fixed answer.
	Respond *Respond `yaml:"respond" derived:"none"`
}

// Respond is a fixed answer.
type Respond struct {
	// Status is the answer's status.
	Status int `yaml:"status" default:"200"`
	// Header holds additional header fields.
	Header map[string]string `yaml:"header" derived:"none" example:"{Cache-Control: no-store}"`
	// JSON is a body, sent as application/json.
	JSON any `yaml:"json" derived:"none" example:"{items: [], degraded: true}"`
	// Body is a body, sent as it is.
	Body string `yaml:"body" derived:"none" example:"Please come back later."`
}

// DependsOn says what a service needs in turn.
type DependsOn struct {
	// Needs are services without which it cannot work.
	Needs []string `yaml:"needs" derived:"none" example:"[catalog-db]"`
	// Wants are services without which it works less well.
	Wants []string `yaml:"wants" derived:"none" example:"[recommendations]"`
}

// Replicas says how many endpoints there should be.
type Replicas struct {
	// Min is the number below which a warning is due.
	Min int `yaml:"min" default:"1" zero:"true"`
}

// Route says which requests go to which service and under which limits.
type Route struct {
	// Name names the route in metrics, logs and errors.
	Name string `yaml:"name" derived:"made from the match" example:"product"`
	// Match is what a request must be like.
	Match Match `yaml:"match" derived:"every request" example:"{path: \"/product/{id}\"}"`
	// Service is where it goes.
	Service string `yaml:"service" required:"true" example:"catalog"`
	// Identity is where to find who is asking: header:NAME or ip. The first that is present counts.
	Identity []string `yaml:"identity" default:"[ip]"`
	// Limits are the names of the limits that apply.
	Limits []string `yaml:"limits" derived:"none" example:"[per-user]"`
	// Timeout is the total time for an answer on this route; it can only shorten the service's.
	Timeout time.Duration `yaml:"timeout" derived:"the total timeout of the service" example:"800ms"`
	// Priority is how long the route is kept when not everything can be served.
	Priority gabion.Priority `yaml:"priority" default:"normal" enum:"critical,normal,sheddable"`
	// Owner is the team whose alerts these are.
	Owner string `yaml:"owner" derived:"none" example:"team-shop"`
}

// Match is what a request must be like. What is left out matches everything.
type Match struct {
	// Host is the host without its port; "*.example.org" matches any one label.
	Host string `yaml:"host" derived:"any" example:"shop.example"`
	// Path is exact; {name} stands for one segment; a path that ends in a slash is a prefix.
	Path string `yaml:"path" derived:"any" example:"/product/{id}"`
	// Methods are the allowed methods. GET includes HEAD.
	Methods []string `yaml:"methods" derived:"any" example:"[GET]"`
	// Header are fields that must have exactly these values.
	Header map[string]string `yaml:"header" derived:"any" example:"{X-Beta: \"1\"}"`
}

// Limit is a rule that routes refer to by name.
type Limit struct {
	// Key is what is counted: identity, ip, header:NAME, route, global, or a list of these for their combination.
	Key         Keys `yaml:"key" default:"identity"`
	LimitValues `yaml:",inline"`
	// Tiers are other values for groups of keys, such as the customers of a plan.
	Tiers map[string]Tier `yaml:"tiers" derived:"none"`
	// Overrides are other values for single keys. They win over tiers.
	Overrides map[string]LimitValues `yaml:"overrides" derived:"none"`
	// Mode is enforce, or shadow: count and report, but let pass.
	Mode string `yaml:"mode" default:"enforce" enum:"enforce,shadow"`
}

// Keys is one key or a list.
type Keys []string

// Tier is other values for a group of keys.
type Tier struct {
	// Keys are the members: names, or patterns such as "partner-*".
	Keys        []string `yaml:"keys" required:"true" example:"[partner-*]"`
	LimitValues `yaml:",inline"`
}

// LimitValues is how much is allowed. At least one of Requests, ServerTime and Concurrency is set.
type LimitValues struct {
	// Requests is how many requests are allowed in a time, such as 100/s.
	Requests ratelimit.Rate `yaml:"requests" derived:"no limit" example:"100/s"`
	// Burst is how many may come at once.
	Burst int `yaml:"burst" derived:"one second of requests, at least 1" example:"200"`
	// ServerTime is how much time of the service is allowed in a time, such as 2s/10s.
	ServerTime ratelimit.Quota `yaml:"server_time" derived:"no limit" example:"2s/10s"`
	// Concurrency is how many requests may be in flight at once.
	Concurrency int `yaml:"concurrency" derived:"100 with server_time, else no limit" example:"20"`
}

// Drills says what may be made to fail on purpose.
type Drills struct {
	// Targets are the services into which faults may be injected, and of which kinds: latency, error, blackhole, reset.
	Targets map[string][]string `yaml:"targets" derived:"none" example:"{recommendations: [error, latency]}"`
}

// FaultKinds are the kinds of faults that can be injected.
var FaultKinds = []string{"latency", "error", "blackhole", "reset"}
