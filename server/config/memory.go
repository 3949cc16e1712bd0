package config

import (
	"fmt"
	"net/url"
	"time"

	"github.com/gabion-io/gabion/ratelimit"
)

// DataOff is the File.Data with which nothing is kept on disk.
const DataOff = "off"

// Metrics says how long metrics are kept, and which are fetched from others.
type Metrics struct {
	// Raw is the tier of all samples, as they came.
	Raw RawMetrics `yaml:"raw"`
	// Long is the tier of what the samples of five minutes and of an hour come to: sums, counts and histograms.
	Long LongMetrics `yaml:"long"`
	// Scrape are targets whose metrics are fetched, in the format of Prometheus.
	Scrape []Scrape `yaml:"scrape" derived:"none"`
	// Forward are systems that get all samples, by remote-write.
	Forward []ForwardMetrics `yaml:"forward" derived:"none"`
}

// RawMetrics is the tier of all samples.
type RawMetrics struct {
	// Keep is how long they are kept.
	Keep time.Duration `yaml:"keep" default:"15d"`
	// MaxSize is how much of the disk they may take. When it is not enough, the oldest go before their time.
	MaxSize Size `yaml:"max_size" default:"20GiB"`
}

// LongMetrics is the tier of roll-ups.
type LongMetrics struct {
	// Keep is how long they are kept.
	Keep time.Duration `yaml:"keep" default:"5y"`
	// MaxSize is how much of the disk they may take. When it is not enough, the oldest go before their time.
	MaxSize Size `yaml:"max_size" default:"20GiB"`
}

// Scrape is a group of targets whose metrics are fetched.
type Scrape struct {
	// Job names the group, in the label job.
	Job string `yaml:"job" required:"true" example:"shop"`
	// Targets are addresses, each the label instance of what comes from there, or URLs. Without a path, /metrics is fetched.
	Targets []string `yaml:"targets" required:"true" example:"[\"127.0.0.1:9100\"]"`
	// Interval is the time between two fetches.
	Interval time.Duration `yaml:"interval" default:"15s"`
}

// Ingest is what other systems may send here besides what the admin address takes, which is off by default, and how much
// anyone may send.
type Ingest struct {
	// OTLPGRPC is the address for OTLP over gRPC, host:port: logs, metrics and traces.
	OTLPGRPC string `yaml:"otlp_grpc" derived:"none" example:"127.0.0.1:4317"`
	// Syslog is where syslog is taken.
	Syslog Syslog `yaml:"syslog"`
	// Files are log files that are followed, also when they are rotated. A * stands for any part of a name.
	Files []string `yaml:"files" derived:"none" example:"[/var/log/shop/*.log]"`
	// PerService is how much of logs is taken from each service, however it comes, and ten seconds' worth of it at once. What
	// is beyond is counted: lines of level debug and trace go first, files wait, other senders are asked to come again.
	PerService PerService `yaml:"per_service"`
	// Series bounds how many series of metrics there may be at a time, however they come. Each takes about 1 KiB of memory, and
	// counts until it has had no sample for two to three hours.
	Series Series `yaml:"series"`
}

// PerService is how much of logs is taken from each service.
type PerService struct {
	// Lines is how many lines, at least 1/s and at most 1000000/s.
	Lines ratelimit.Rate `yaml:"lines" default:"5000/s"`
	// Bytes is how much memory their texts and fields may take, at least 1KiB/s and at most 256MiB/s.
	Bytes ByteRate `yaml:"bytes" default:"4MiB/s"`
}

// Series bounds how many series of metrics there may be at a time. What is beyond is dropped and counted.
type Series struct {
	// PerService is how many each service may have: the label service, or job where there is none.
	PerService int `yaml:"per_service" default:"50000"`
	// PerMetric is how many each metric may have.
	PerMetric int `yaml:"per_metric" default:"50000"`
	// Total is how many there may be in all, at most 2000000.
	Total int `yaml:"total" default:"200000"`
}

// Syslog is where syslog is taken, in the formats of RFC 5424 and RFC 3164.
type Syslog struct {
	// UDP is the address for datagrams, host:port.
	UDP string `yaml:"udp" derived:"none" example:"127.0.0.1:5514"`
	// TCP is the address for connections, host:port.
	TCP string `yaml:"tcp" derived:"none" example:"127.0.0.1:5514"`
}

// Logs says what is logged, and how long logs are kept.
type Logs struct {
	// Short is the tier of all lines.
	Short ShortLogs `yaml:"short"`
	// Long is the tier of the lines that matter for years.
	Long LongLogs `yaml:"long"`
	// Forward are systems that get lines.
	Forward []ForwardLogs `yaml:"forward" derived:"none"`
	// Access writes a line for every request.
	Access bool `yaml:"access" default:"true"`
}

// ShortLogs is the tier of all lines.
type ShortLogs struct {
	// Keep is how long they are kept.
	Keep time.Duration `yaml:"keep" default:"14d"`
	// MaxSize is how much of the disk they may take. When it is not enough, the oldest go before their time.
	MaxSize Size `yaml:"max_size" default:"20GiB"`
}

// LongLogs is the tier of the lines that matter for years.
type LongLogs struct {
	// Keep is how long they are kept.
	Keep time.Duration `yaml:"keep" default:"5y"`
	// MaxSize is how much of the disk they may take. When it is not enough, the oldest go before their time.
	MaxSize Size `yaml:"max_size" default:"20GiB"`
	// Where says which lines these are: conditions on level, service, handler, message or an attribute, joined with and, or
	// and not. = and != compare texts, >, >=, < and <= levels, numbers and durations, and a colon finds one of several
	// elements, or a part of the message.
	Where string `yaml:"where" default:"level>=error or tag:audit"`
}

// Alerts says who is told what. So far there is one alert: that the process that keeps metrics and logs stays away.
type Alerts struct {
	// Receivers are who can be told, by name.
	Receivers map[string]Receiver `yaml:"receivers" derived:"none"`
	// Route says who is told.
	Route AlertRoute `yaml:"route"`
}

// Receiver is someone who can be told.
type Receiver struct {
	// Webhook sends alerts as JSON.
	Webhook *Webhook `yaml:"webhook" derived:"none" example:"{url: http://127.0.0.1:9200/hook}"`
}

// Webhook sends alerts as JSON, with POST.
type Webhook struct {
	// URL is where to. When it holds a secret, it is a reference.
	URL Link `yaml:"url" required:"true" example:"http://127.0.0.1:9200/hook"`
}

// AlertRoute says who is told.
type AlertRoute struct {
	// Receiver is the name of who is told what nobody else is.
	Receiver string `yaml:"receiver" derived:"nobody" example:"ops"`
}

// Link is a URL, or a reference to one that is secret. In the file it may be the URL alone. The zero Link is none.
type Link struct {
	// Text is the URL; "" when it is a reference.
	Text   string
	Secret `yaml:",inline"`
}

// IsZero says whether there is none.
func (l Link) IsZero() bool { return l == Link{} }

// String is the URL, or the reference; never a secret.
func (l Link) String() string {
	if l.Text != "" {
		return l.Text
	}
	return l.Secret.String()
}

// Read returns the URL. The error never holds it.
func (l Link) Read() (string, error) {
	text := l.Text
	if text == "" {
		var err error
		if text, err = l.Secret.Read(); err != nil {
			return "", err
		}
	}
	if u, err := url.Parse(text); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", fmt.Errorf("%v does not hold a URL such as https://example.org/hook", l)
	}
	return text, nil
}
