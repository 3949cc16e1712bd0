// Package entry is one line of a log, as everything that takes, keeps and finds lines knows it.
package entry

import (
	"fmt"
	"strconv"
	"strings"
)

// Level is how much a line matters. The zero value is [Unknown].
type Level uint8

// The levels, from the least to the most important.
const (
	Unknown Level = iota
	Trace
	Debug
	Info
	Warn
	Error
	Fatal
)

var levels = [...]string{"unknown", "trace", "debug", "info", "warn", "error", "fatal"}

// String returns the word for the level, in lower case.
func (l Level) String() string {
	if int(l) >= len(levels) {
		return levels[Unknown]
	}
	return levels[l]
}

// ParseLevel reads a level, in any case; "warning", "err", "critical" and their like are known as well, and so are those
// between two others as slog writes them: "INFO+2" is Info, "DEBUG-4" Trace and "ERROR+4" Fatal. What it does not know is
// [Unknown].
func ParseLevel(s string) Level {
	if at := strings.IndexAny(s, "+-"); at > 0 {
		return between(s[:at], s[at:])
	}
	switch strings.ToLower(s) {
	case "trace":
		return Trace
	case "debug", "dbg":
		return Debug
	case "info", "information", "notice":
		return Info
	case "warn", "warning":
		return Warn
	case "error", "err":
		return Error
	case "fatal", "critical", "crit", "alert", "emerg", "emergency", "panic":
		return Fatal
	}
	return Unknown
}

// between reads a level that is so far from another. Four of slog's numbers make a level, as in OpenTelemetry.
func between(word, distance string) Level {
	n, err := strconv.Atoi(distance)
	base := ParseLevel(word)
	if err != nil || base == Unknown {
		return Unknown
	}
	n = min(max(n, -32), 32)
	return Level(min(max(int(base)+(n+64)/4-16, int(Trace)), int(Fatal)))
}

// The bounds of an entry. What is longer is cut, see [Entry.Trim].
const (
	MaxMessage = 256 << 10 // bytes
	MaxAttrs   = 128
	MaxName    = 256 // bytes of the name of an attribute, a service, a handler or an instance
)

// Entry is one line.
type Entry struct {
	// Time is when it was written, in nanoseconds since 1970, UTC.
	Time  int64
	Level Level
	// Service is who wrote it, Instance which of its instances, Handler what it was about to do, such as a route. May be empty.
	Service, Instance, Handler string
	// Trace and Span are IDs in lower-case hexadecimal. May be empty.
	Trace, Span string
	// Message is the text.
	Message string
	// Attrs are all other fields, in the order given. Values that are no text are written as JSON.
	Attrs []Attr
}

// Attr is a field of a line.
type Attr struct{ Name, Value string }

// Size is about how many bytes the entry takes in memory.
func (e *Entry) Size() int {
	n := 160 + len(e.Service) + len(e.Instance) + len(e.Handler) + len(e.Trace) + len(e.Span) + len(e.Message)
	for i := range e.Attrs {
		n += 32 + len(e.Attrs[i].Name) + len(e.Attrs[i].Value)
	}
	return n
}

// Attr returns the value of the attribute of that name.
func (e *Entry) Attr(name string) (string, bool) {
	for i := range e.Attrs {
		if e.Attrs[i].Name == name {
			return e.Attrs[i].Value, true
		}
	}
	return "", false
}

// IsSpan says whether the entry was made of a span of a trace and is no line of a log.
func (e *Entry) IsSpan() bool {
	return len(e.Attrs) > 0 && e.Attrs[0].Name == "kind" && e.Attrs[0].Value == "span"
}

// Trim cuts what is longer than the bounds, and says what it cut; "" when nothing was.
func (e *Entry) Trim() string {
	var cut []string
	short := func(s *string, what string) {
		if len(*s) > MaxName {
			*s = clip(*s, MaxName)
			cut = append(cut, what)
		}
	}
	short(&e.Service, "service")
	short(&e.Instance, "instance")
	short(&e.Handler, "handler")
	short(&e.Trace, "trace")
	short(&e.Span, "span")
	if len(e.Message) > MaxMessage {
		e.Message = clip(e.Message, MaxMessage)
		cut = append(cut, "message")
	}
	if n := len(e.Attrs); n > MaxAttrs {
		e.Attrs = e.Attrs[:MaxAttrs]
		cut = append(cut, fmt.Sprintf("%d attributes", n-MaxAttrs))
	}
	room := MaxMessage
	for i := range e.Attrs {
		a := &e.Attrs[i]
		short(&a.Name, "the name of an attribute")
		if len(a.Value) > room {
			a.Value = clip(a.Value, room)
			cut = append(cut, "attribute "+a.Name)
		}
		room -= len(a.Value)
	}
	return strings.Join(cut, ", ")
}

// clip cuts s to at most n bytes, between two characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
