// Package object reads a log line that is a JSON object: the names that loggers commonly use for time, level, message and
// so on are recognised, everything else becomes an attribute.
package object

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// role is what a field is.
type role uint8

const (
	attribute role = iota
	timestamp
	level
	service
	instance
	handler
	trace
	span
	message
)

// known are the names that loggers use: of slog, zap, zerolog, logrus, pino, log4j's and Serilog's layouts, the Elastic
// Common Schema and OpenTelemetry.
var known = map[string]role{
	"time": timestamp, "ts": timestamp, "@timestamp": timestamp, "timestamp": timestamp, "@t": timestamp,
	"level": level, "severity": level, "lvl": level, "log.level": level, "severity_text": level, "@l": level,
	"service": service, "service.name": service, "service_name": service,
	"instance": instance, "service.instance.id": instance, "service.node.name": instance,
	"handler": handler, "route": handler, "http.route": handler,
	"trace_id": trace, "traceId": trace, "traceID": trace, "traceid": trace, "trace.id": trace, "@tr": trace,
	"span_id": span, "spanId": span, "spanID": span, "spanid": span, "span.id": span, "@sp": span,
	"msg": message, "message": message, "@m": message,
}

// containers are objects whose fields may be known: {"log":{"level":"warn"}} is the same as {"log.level":"warn"}.
var containers = map[string]bool{"service": true, "log": true, "trace": true, "span": true, "http": true, "service.instance": true, "service.node": true}

// maxFields is how many fields of an object are looked at; what follows is of no use, since an entry keeps
// [entry.MaxAttrs].
const maxFields = 4 * entry.MaxAttrs

// Parse reads one object. Fields that it does not have are left zero, the time among them. Its errors are
// [ingest.ErrRefused], and say at which byte of the line.
func Parse(line []byte) (entry.Entry, error) {
	var room [24]entry.Attr
	p := parser{walker: walker{text: string(line)}, attrs: room[:0]} // all parts of the entry share this one copy
	if p.space(); p.peek() != '{' && json.Valid(line) {
		return entry.Entry{}, fmt.Errorf("%w: byte %d: want a JSON object", ingest.ErrRefused, p.at+1)
	}
	err := p.object("", 0)
	if p.space(); err == nil && p.at < len(p.text) || errors.Is(err, errSyntax) {
		err = malformed(line)
	}
	if err != nil {
		return entry.Entry{}, err
	}
	if len(p.attrs) > 0 { // whoever calls mostly adds one
		p.entry.Attrs = append(make([]entry.Attr, 0, len(p.attrs)+1), p.attrs...)
	}
	return p.entry, nil
}

// malformed says what is wrong with a text that is no JSON.
func malformed(line []byte) error {
	var all json.RawMessage
	err := json.Unmarshal(line, &all)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("%w: byte %d: %w", ingest.ErrRefused, syntax.Offset, err)
	}
	return fmt.Errorf("%w: %w", ingest.ErrRefused, err)
}

type parser struct {
	walker
	entry  entry.Entry
	attrs  []entry.Attr
	seen   [message + 1]bool
	fields int
}

// object reads the fields of the object at which the walker stands.
func (p *parser) object(prefix string, nested int) error {
	if p.peek() != '{' {
		return errSyntax
	}
	return p.all('}', nested, func(nested int) error {
		key, err := p.key()
		if err != nil {
			return err
		}
		name := prefix + text(key)
		if p.peek() == '{' && containers[name] && p.fields < maxFields {
			p.fields++
			return p.object(name+".", nested)
		}
		raw, err := p.value(nested)
		if err != nil {
			return err
		}
		if p.fields++; p.fields > maxFields {
			return nil
		}
		return p.field(name, raw)
	})
}

// field takes one field. When two fields have the same role, the first counts and the other is an attribute.
func (p *parser) field(name, raw string) error {
	e, r := &p.entry, known[name]
	if r == attribute || p.seen[r] || raw[0] == '{' || raw[0] == '[' || raw == "null" {
		p.attrs = append(p.attrs, entry.Attr{Name: name, Value: value(raw)})
		return nil
	}
	p.seen[r] = true
	v := value(raw)
	switch r {
	case timestamp:
		t, err := ParseTime(v)
		if err != nil {
			return fmt.Errorf("%w: field %.40q: %w", ingest.ErrRefused, name, err)
		}
		e.Time = t
	case level:
		if e.Level = parseLevel(v, raw[0] != '"'); e.Level == entry.Unknown {
			p.attrs = append(p.attrs, entry.Attr{Name: name, Value: v})
		}
	case service:
		e.Service = v
	case instance:
		e.Instance = v
	case handler:
		e.Handler = v
	case trace:
		e.Trace = strings.ToLower(v)
	case span:
		e.Span = strings.ToLower(v)
	default:
		e.Message = v
	}
	return nil
}

// value is how a value is kept: texts without quotes, everything else as it was written.
func value(raw string) string {
	if raw[0] == '"' {
		return text(raw)
	}
	return raw
}

// parseLevel reads words, and the numbers of pino and bunyan (10 is trace, 60 is fatal).
func parseLevel(v string, number bool) entry.Level {
	if !number {
		return entry.ParseLevel(v)
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 10 || n > 69 {
		return entry.Unknown
	}
	return entry.Trace + entry.Level(n/10-1)
}

// layouts are tried in this order. Those without a zone are UTC.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05",
}

// ParseTime reads a time as loggers write it: RFC 3339 and its relatives (a comma before the fraction is fine), or a
// number of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by its size. It returns nanoseconds.
func ParseTime(v string) (int64, error) {
	if len(v) < 5 || v[4] != '-' || v[3] > '9' { // else it begins with a year
		if n, ok := number(v); ok {
			return n, nil
		}
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, v); err == nil {
			if y := t.Year(); y < 1970 || y > 2261 {
				return 0, fmt.Errorf("%.40q is not between 1970 and 2261", v)
			}
			return t.UnixNano(), nil
		}
	}
	return 0, fmt.Errorf("%.40q is no time: want RFC 3339, or a number since 1970", v)
}

// number reads a number since 1970. Whole ones are read as integers, since nanoseconds do not fit into a float.
func number(v string) (int64, bool) {
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		if n < 0 {
			return 0, false
		}
		return n * scale(float64(n)), true
	}
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || !(f >= 0 && f < 1<<62) { // no NaN
		return 0, false
	}
	by := scale(f)
	whole := int64(f)
	return whole*by + int64((f-float64(whole))*float64(by)), true
}

// scale tells the unit of a number since 1970. The bounds are the year 2261, the last that nanoseconds can say.
func scale(n float64) int64 {
	switch {
	case n < 9.2e9:
		return 1e9
	case n < 9.2e12:
		return 1e6
	case n < 9.2e15:
		return 1e3
	}
	return 1
}
