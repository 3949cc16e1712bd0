// Package own is the gateway's own lines on their way to its store: the kinds of items that the gateway sends, and the
// entries that the store makes of them.
//
// An item is any number of lines as they are written, JSON each: the gateway spends nothing on them but the copy.
package own

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/gabion-io/gabion/server/ingest/object"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// The kinds of items.
const (
	// Access is lines of the access log.
	Access = "access"
	// Process is lines of the process's own log.
	Process = "process"
)

// Service is the service of lines that name none.
const Service = "gabion"

// Kinds are all kinds.
func Kinds() []string { return []string{Access, Process} }

// Read makes entries of an item. Instance is that of the gateway. Refused counts lines that cannot be read.
func Read(kind, instance string, item []byte) (lines []entry.Entry, refused int) {
	lines = make([]entry.Entry, 0, bytes.Count(item, []byte("\n"))+1)
	for line := range bytes.Lines(item) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		e, err := object.Parse(line)
		if err != nil {
			refused++
			continue
		}
		if e.Service == "" {
			e.Service = Service
		}
		if e.Instance == "" {
			e.Instance = instance
		}
		if kind == Access {
			describe(&e)
		}
		lines = append(lines, e)
	}
	return lines, refused
}

// describe gives a line of the access log, which has fields alone, a text, and a level: an error when the answer was
// one of the server, a warning when the gateway itself refused or answered in reduced quality.
func describe(e *entry.Entry) {
	var method, path, status, took, problem string
	e.Level = entry.Info
	for _, a := range e.Attrs {
		switch a.Name {
		case "method":
			method = a.Value
		case "path":
			path = a.Value
		case "status":
			status = a.Value
		case "duration_ms":
			took = a.Value
		case "problem":
			problem = " " + a.Value
			e.Level = entry.Warn
		case "degraded":
			e.Level = entry.Warn
		}
	}
	if code, err := strconv.Atoi(status); err == nil && code >= 500 {
		e.Level = entry.Error
	}
	e.Message = strings.TrimSpace(method+" "+path+" "+status) + " in " + took + " ms" + problem
	// First, as that of spans is: who wants other lines only finds it at once.
	e.Attrs = slices.Insert(e.Attrs, 0, entry.Attr{Name: "kind", Value: Access})
}
