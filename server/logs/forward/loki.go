package forward

import (
	"strconv"

	"github.com/golang/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
)

// The messages of Loki's push API, by the numbers of their fields:
//
//	request  1: streams
//	stream   1: labels, as text  2: lines
//	line     1: time (1: seconds, 2: nanoseconds)  2: text  3: metadata (1: name, 2: value)
const (
	fieldStreams  = 1
	fieldLabels   = 1
	fieldLines    = 2
	fieldTime     = 1
	fieldText     = 2
	fieldMetadata = 3
)

// stream is what is a stream in Loki. More labels would make more streams than it can bear, so all else is metadata.
type stream struct {
	service string
	level   entry.Level
}

// lokiPush encodes lines, those of one stream together, packed.
func lokiPush(batch [][]entry.Entry) []byte {
	bodies := map[stream][]byte{}
	var order []stream
	var line, scratch []byte
	for _, lines := range batch {
		for i := range lines {
			e := &lines[i]
			of := stream{e.Service, e.Level}
			body, ok := bodies[of]
			if !ok {
				order = append(order, of)
				body = text(nil, fieldLabels, of.labels())
			}
			line, scratch = lokiLine(line[:0], scratch, e)
			bodies[of] = message(body, fieldLines, line)
		}
	}
	var request []byte
	for _, of := range order {
		request = message(request, fieldStreams, bodies[of])
	}
	return snappy.Encode(nil, request)
}

// labels writes the labels of a stream. There is always one, as Loki wants.
func (s stream) labels() string {
	labels := "{level=" + strconv.Quote(s.level.String())
	if s.service != "" {
		labels += ", service_name=" + strconv.Quote(valid(s.service))
	}
	return labels + "}"
}

// lokiLine appends a line. Scratch is memory to work in.
func lokiLine(b, scratch []byte, e *entry.Entry) (line, worked []byte) {
	at := max(e.Time, 0)
	scratch = number(scratch[:0], 1, uint64(at/1e9))
	scratch = number(scratch, 2, uint64(at%1e9))
	b = message(b, fieldTime, scratch)
	b = text(b, fieldText, valid(e.Message))
	put := func(name, value string) {
		if value != "" {
			scratch = text(text(scratch[:0], 1, name), 2, valid(value))
			b = message(b, fieldMetadata, scratch)
		}
	}
	put("instance", e.Instance)
	put("handler", e.Handler)
	put("trace_id", e.Trace)
	put("span_id", e.Span)
	for i := range e.Attrs {
		put(logql.LabelName(e.Attrs[i].Name), e.Attrs[i].Value)
	}
	return b, scratch
}

func text(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func message(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}

func number(b []byte, field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}
