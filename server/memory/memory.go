// Package memory is what the store process remembers: it makes the parts of package store out of their settings. The
// gateway gives the settings, see [Settings], and never imports what is behind them.
package memory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gabion-io/gabion/server/ingest/otlp"
	"github.com/gabion-io/gabion/server/store"
)

// Settings are what the parts are made of: the store.Settings.Parts of a child. The zero value of every field means its
// default.
type Settings struct {
	// Version is that of the program. Default: unknown.
	Version string `json:"version,omitempty"`
	// Instance tells this gateway from others, in the label instance of its own metrics. Default: the label is left out.
	Instance string `json:"instance,omitempty"`
	// Metrics says how metrics are kept, and which are fetched.
	Metrics Metrics `json:"metrics"`
	// Logs says how logs are kept.
	Logs Logs `json:"logs"`
	// Ingest are the ways in that have listeners or files of their own.
	Ingest Ingest `json:"ingest"`
	// Forward is where what comes in is sent on to.
	Forward Forward `json:"forward"`
}

// Metrics says how metrics are kept, and which are fetched.
type Metrics struct {
	// Raw is how samples are kept as they came, Long how their roll-ups are. Default: those of package metrics/tier.
	Raw  Keep `json:"raw"`
	Long Keep `json:"long"`
	// Series are how many series there may be at a time. Default: those of package metrics/tier.
	Series Series `json:"series"`
	// Scrape are the targets whose metrics are fetched.
	Scrape []Scrape `json:"scrape,omitempty"`
	// Forward are who gets all samples by remote-write.
	Forward []Receiver `json:"forward,omitempty"`
}

// Keep is how long and how much is kept. What comes first counts.
type Keep struct {
	For time.Duration `json:"for,omitempty"`
	// Size is in bytes.
	Size int64 `json:"size,omitempty"`
}

// Series are how many series there may be at a time.
type Series struct {
	// Service and Metric are for each service and each name, Total for all together.
	Service int `json:"service,omitempty"`
	Metric  int `json:"metric,omitempty"`
	Total   int `json:"total,omitempty"`
}

// Scrape is a group of targets whose metrics are fetched.
type Scrape struct {
	// Job becomes the label job.
	Job string `json:"job"`
	// Targets are their addresses: host:port, or a URL. Each becomes the label instance.
	Targets []string `json:"targets"`
	// Interval is the time between two fetches.
	Interval time.Duration `json:"interval"`
}

// Logs says how logs are kept.
type Logs struct {
	// Short is the tier of everything, Long that of what Where says.
	Short Keep `json:"short"`
	Long  Keep `json:"long"`
	// Where says which lines go to the long tier.
	Where string `json:"where,omitempty"`
}

// Ingest are the ways in that have listeners or files of their own, what is empty is off, and how much anyone may send.
type Ingest struct {
	// Lines and Bytes are how much of logs is taken from each service in a second. Default: those of package ingest.
	Lines int64 `json:"lines,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
	// OTLP is the address of OTLP over gRPC.
	OTLP string `json:"otlp_grpc,omitempty"`
	// SyslogUDP and SyslogTCP are the addresses of syslog.
	SyslogUDP string `json:"syslog_udp,omitempty"`
	SyslogTCP string `json:"syslog_tcp,omitempty"`
	// Files are patterns of log files that are followed.
	Files []string `json:"files,omitempty"`
}

// Forward is where what comes in is sent on to.
type Forward struct {
	// Logs get lines, Traces get spans by OTLP.
	Logs   []Receiver `json:"logs,omitempty"`
	Traces []Receiver `json:"traces,omitempty"`
}

// Receiver is another system.
type Receiver struct {
	// Name tells it from others, in metrics and messages. Default: the host and the path of URL, and a number when there are
	// several.
	Name string `json:"name,omitempty"`
	// URL is its address. When it has no path, that of the protocol is added, but for metrics.
	URL string `json:"url"`
	// Protocol is how lines are sent: otlp or loki. Spans are sent by OTLP.
	Protocol string `json:"protocol,omitempty"`
	// Where says which lines are sent, as package logs/where reads it. Default: all.
	Where string `json:"where,omitempty"`
	// Header is sent with every request. It may hold secrets.
	Header http.Header `json:"header,omitempty"`
	// Labels are given to series that do not have them, when metrics are sent.
	Labels map[string]string `json:"labels,omitempty"`
	// Plain leaves bodies as they are, instead of packing them.
	Plain bool `json:"plain,omitempty"`
}

// Parts makes the parts, in the order in which they are opened. It is the store.Config.Parts of the child.
func Parts(env store.Env) ([]store.Part, error) {
	settings, err := read(env.Parts)
	if err != nil {
		return nil, err
	}
	var all news
	metrics, outward := newMetrics(env, settings, &all), newOutward(env, settings.Forward)
	logs := newLogs(env, settings, &all, outward.putLogs)
	gates := newGates(env, settings.Ingest, logs)
	gates.samples = func() otlp.Metrics { return metrics.store }
	gates.otlp.Forward = outward.putTraces
	return []store.Part{outward, metrics, logs, gates, newMeasures(env.Log, metrics.takeOwn, outward, metrics, logs, gates)}, nil
}

// read reads the settings. A member that is not known is an error: both sides are the same program.
func read(text json.RawMessage) (s Settings, err error) {
	if len(text) == 0 {
		return s, nil
	}
	from := json.NewDecoder(bytes.NewReader(text))
	from.DisallowUnknownFields()
	if err := from.Decode(&s); err != nil {
		return s, fmt.Errorf("memory: the settings of the parts: %w", err)
	}
	return s, nil
}
