package lokipush

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// request is a body in JSON. A value is [time as a text of nanoseconds, line, metadata (may be missing)].
type request struct {
	Streams []struct {
		Stream map[string]string   `json:"stream"`
		Values [][]json.RawMessage `json:"values"`
	} `json:"streams"`
}

// readJSON reads a request.
func readJSON(body []byte, _ time.Time) (lines []entry.Entry, err error) {
	var r request
	if err := json.Unmarshal(body, &r); err != nil {
		if at, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, fmt.Errorf("%w: byte %d: %w", ingest.ErrRefused, at.Offset, err)
		}
		return nil, fmt.Errorf("%w: %w", ingest.ErrRefused, err)
	}
	var room ingest.Room
	for i, stream := range r.Streams {
		b := builder{room: &room}
		b.stream(sorted(stream.Stream))
		for j, value := range stream.Values {
			e, err := readValue(&b, value)
			if err != nil {
				return nil, fmt.Errorf("%w: stream %d: line %d: %w", ingest.ErrRefused, i+1, j+1, err)
			}
			lines = append(lines, e)
		}
	}
	return lines, nil
}

func readValue(b *builder, value []json.RawMessage) (e entry.Entry, err error) {
	if len(value) != 2 && len(value) != 3 {
		return e, fmt.Errorf("%d values, want a time, a text and perhaps metadata", len(value))
	}
	var stamp, text string
	if err := json.Unmarshal(value[0], &stamp); err != nil {
		return e, fmt.Errorf("the time: %w", err)
	}
	at, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || at <= 0 {
		return e, fmt.Errorf("the time %.40q is no number of nanoseconds", stamp)
	}
	if err := json.Unmarshal(value[1], &text); err != nil {
		return e, fmt.Errorf("the text: %w", err)
	}
	var metadata map[string]string
	if len(value) == 3 {
		if err := json.Unmarshal(value[2], &metadata); err != nil {
			return e, fmt.Errorf("the metadata: %w", err)
		}
	}
	return b.line(at, text, sorted(metadata))
}

// sorted makes the order of names the same each time.
func sorted(m map[string]string) []entry.Attr {
	list := make([]entry.Attr, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, entry.Attr{Name: name, Value: m[name]})
	}
	return list
}
