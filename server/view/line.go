package view

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/api/client"
)

// aliases are labels that say what another one says already.
var aliases = []string{"detected_level", "service_name"}

// columns are the labels that are shown before the message.
var columns = []string{"service", "instance", "handler"}

// Line shows a line of a log: its time, as short as it is clear at the time now, level, where it comes from, the message
// and its other labels. The further lines of a message of several, such as a stack, are indented.
func Line(l client.Line, now time.Time, s Style) string {
	var b strings.Builder
	b.WriteString(s.paint(faint, s.stamp(l.At, now)))
	level := strings.TrimPrefix(l.Labels["level"], "unknown")
	b.WriteString(" " + s.paint(levels[level], pad(strings.ToUpper(clean(level)), 5)))
	for _, name := range columns {
		if v := l.Labels[name]; v != "" {
			b.WriteString(" " + s.paint(strong, clean(v)))
		}
	}
	first, rest, _ := strings.Cut(strings.TrimRight(l.Text, "\r\n"), "\n")
	b.WriteString("  " + clean(strings.TrimRight(first, "\r")))
	for _, name := range slices.Sorted(maps.Keys(l.Labels)) {
		if name != "level" && !slices.Contains(columns, name) && !slices.Contains(aliases, name) {
			b.WriteString(" " + s.paint(faint, clean(name)+"=") + clean(quoted(l.Labels[name])))
		}
	}
	head := strings.TrimRight(b.String(), " ")
	b.Reset()
	b.WriteString(head + "\n")
	for further := range strings.Lines(rest) {
		b.WriteString("    " + clean(strings.ReplaceAll(strings.TrimRight(further, "\r\n"), "\t", "    ")) + "\n")
	}
	return b.String()
}

// levels are how good or bad each one is.
var levels = map[string]tone{"fatal": bad, "error": bad, "warn": warn, "info": good, "debug": faint, "trace": faint}

// LineJSON is a line as one of JSON: time, level, service, instance, handler and msg, and all other labels in an object
// of their own.
func LineJSON(l client.Line) (string, error) {
	others := maps.Clone(l.Labels)
	line := struct {
		Time     time.Time         `json:"time"`
		Level    string            `json:"level"`
		Service  string            `json:"service,omitempty"`
		Instance string            `json:"instance,omitempty"`
		Handler  string            `json:"handler,omitempty"`
		Message  string            `json:"msg"`
		Labels   map[string]string `json:"labels,omitempty"`
	}{
		Time: l.At.UTC(), Level: others["level"], Service: others["service"], Instance: others["instance"],
		Handler: others["handler"], Message: l.Text, Labels: others,
	}
	for _, name := range slices.Concat([]string{"level"}, columns, aliases) {
		delete(others, name)
	}
	var b strings.Builder
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	err := to.Encode(line)
	return b.String(), err
}

// stamp is a time to the millisecond, without the day when that is today's.
func (s Style) stamp(at, now time.Time) string {
	at = at.In(s.zone())
	if at.Format(time.DateOnly) == now.In(s.zone()).Format(time.DateOnly) {
		return at.Format("15:04:05.000")
	}
	return at.Format("2006-01-02 15:04:05.000")
}

func pad(text string, n int) string { return text + strings.Repeat(" ", max(0, n-len(text))) }

// quoted is a value as it can be told from what follows it.
func quoted(v string) string {
	if v == "" || strings.ContainsAny(v, " \t\n\"=") {
		return strconv.Quote(v)
	}
	return v
}

// Mistake shows where in a query a mistake is: its line with a caret below the column. Lines and columns count from 1,
// columns in characters. It is nothing when there is no such place.
func Mistake(query string, line, column int) string {
	lines := strings.Split(query, "\n")
	if line < 1 || line > len(lines) || column < 1 {
		return ""
	}
	text := []rune(strings.ReplaceAll(lines[line-1], "\t", " "))
	if column > len(text)+1 {
		return ""
	}
	return "  " + clean(string(text)) + "\n  " + strings.Repeat(" ", column-1) + "^"
}
