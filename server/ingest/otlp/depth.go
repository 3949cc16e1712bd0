package otlp

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gabion-io/gabion/server/ingest"
)

// MaxDepth is how deep messages may be nested. The decoder calls itself for each level: without a bound, a body of a few
// megabytes takes hundreds of megabytes of stack.
const MaxDepth = 100

// message is one on the way to the values, the only messages that contain themselves.
type message uint8

const (
	leaf message = iota
	logsRequest
	resourceLogs
	scopeLogs
	logRecord
	spansRequest
	resourceSpans
	scopeSpans
	traceSpan
	event
	link
	resourceAttrs
	scopeAttrs
	keyValue
	anyValue
	arrayValue
	listValue
)

// inner says which message a field holds.
var inner = map[message]map[protowire.Number]message{
	logsRequest:   {1: resourceLogs},
	resourceLogs:  {1: resourceAttrs, 2: scopeLogs},
	scopeLogs:     {1: scopeAttrs, 2: logRecord},
	logRecord:     {5: anyValue, 6: keyValue},
	spansRequest:  {1: resourceSpans},
	resourceSpans: {1: resourceAttrs, 2: scopeSpans},
	scopeSpans:    {1: scopeAttrs, 2: traceSpan},
	traceSpan:     {9: keyValue, 11: event, 13: link},
	event:         {3: keyValue},
	link:          {4: keyValue},
	resourceAttrs: {1: keyValue},
	scopeAttrs:    {3: keyValue},
	keyValue:      {2: anyValue},
	anyValue:      {5: arrayValue, 6: listValue},
	arrayValue:    {1: anyValue},
	listValue:     {1: keyValue},
}

// shallow says whether a body in protobuf is nested too deep. What is malformed is left to the decoder to say.
func shallow(body []byte, m message, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("%w: values are nested more than %d levels deep", ingest.ErrRefused, MaxDepth)
	}
	known := inner[m]
	for len(body) > 0 {
		number, kind, n := protowire.ConsumeTag(body)
		if n < 0 {
			return nil
		}
		body = body[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, body); n < 0 {
				return nil
			}
			body = body[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(body)
		if n < 0 {
			return nil
		}
		body = body[n:]
		if child := known[number]; child != leaf {
			if err := shallow(value, child, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// shallowJSON does the same for JSON, where each level of a value is three braces.
func shallowJSON(body []byte) error {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > 2*MaxDepth {
				return fmt.Errorf("%w: byte %d: values are nested more than %d levels deep", ingest.ErrRefused, i+1, MaxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
