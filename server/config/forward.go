package config

// Traces says what becomes of spans: those of errors and of slow requests are kept with the logs.
type Traces struct {
	// Forward are systems that get all spans, by OTLP over HTTP.
	Forward []ForwardTraces `yaml:"forward" derived:"none"`
}

// ForwardMetrics is a system that gets all samples.
type ForwardMetrics struct {
	// URL is where it takes remote-write.
	URL Link `yaml:"url" required:"true" example:"http://127.0.0.1:9009/api/v1/push"`
	// Labels are given to series that do not have them. Of several Gabions that send to one system, each needs its own.
	Labels map[string]string `yaml:"labels" derived:"none" example:"{cluster: north}"`
	Access `yaml:",inline"`
}

// ForwardLogs is a system that gets lines.
type ForwardLogs struct {
	// URL is its address. Without a path, that of the protocol is taken.
	URL Link `yaml:"url" required:"true" example:"http://127.0.0.1:3100"`
	// Protocol is how lines are sent: OTLP over HTTP, or as to Loki.
	Protocol string `yaml:"protocol" default:"otlp" enum:"otlp,loki"`
	// Where says which lines it gets, as logs.long.where does.
	Where  string `yaml:"where" derived:"all lines" example:"level>=warn"`
	Access `yaml:",inline"`
}

// ForwardTraces is a system that gets spans.
type ForwardTraces struct {
	// URL is its address. Without a path, that of the protocol is taken.
	URL    Link `yaml:"url" required:"true" example:"http://127.0.0.1:4318"`
	Access `yaml:",inline"`
}

// Access is what a system wants to know of who sends.
type Access struct {
	// Token is sent as a bearer token or, with a user, as the password.
	Token Secret `yaml:"token" derived:"none"`
	// User is the name for basic authentication.
	User string `yaml:"user" derived:"none" example:"gabion"`
	// Header holds fields for every request. Secrets do not belong here.
	Header map[string]string `yaml:"header" derived:"none" example:"{X-Scope-OrgID: shop}"`
}
