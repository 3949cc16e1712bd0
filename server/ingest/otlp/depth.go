package otlp

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gabion-io/gabion/server/ingest"
)

// MaxDepth is how deep messages may be nested. The decoder calls itself for each level: without a bound, a body of a few
// megabytes takes hundreds of megabytes of stack.
const MaxDepth = 100

// messagesMax is how many messages may be in one: an empty one takes two bytes on the way, and fifty times that in memory.
const messagesMax = 1 << 20

var errMany = fmt.Errorf("%w: it is made of more than %d messages: send less at a time", ingest.ErrTooLarge, messagesMax)

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
	metricsRequest
	resourceMetrics
	scopeMetrics
	oneMetric
	numbers
	numberPoint
	histograms
	histogramPoint
	exponentials
	exponentialPoint
	summaries
	summaryPoint
	quantile
	exemplar
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

	metricsRequest:   {1: resourceMetrics},
	resourceMetrics:  {1: resourceAttrs, 2: scopeMetrics},
	scopeMetrics:     {1: scopeAttrs, 2: oneMetric},
	oneMetric:        {5: numbers, 7: numbers, 9: histograms, 10: exponentials, 11: summaries, 12: keyValue},
	numbers:          {1: numberPoint},
	numberPoint:      {5: exemplar, 7: keyValue},
	histograms:       {1: histogramPoint},
	histogramPoint:   {8: exemplar, 9: keyValue},
	exponentials:     {1: exponentialPoint},
	exponentialPoint: {1: keyValue, 11: exemplar},
	summaries:        {1: summaryPoint},
	summaryPoint:     {6: quantile, 7: keyValue},
	exemplar:         {7: keyValue},
}

// shallow says whether a body in protobuf is nested too deep, or made of too many messages. What is malformed is left to
// the decoder to say.
func shallow(body []byte, m message) error {
	left := messagesMax
	return walk(body, m, 0, &left)
}

func walk(body []byte, m message, depth int, left *int) error {
	if depth > MaxDepth {
		return fmt.Errorf("%w: values are nested more than %d levels deep", ingest.ErrRefused, MaxDepth)
	}
	if *left--; *left < 0 {
		return errMany
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
			if err := walk(value, child, depth+1, left); err != nil {
				return err
			}
		}
	}
	return nil
}

// shallowJSON does the same for JSON, where each level of a value is three braces.
func shallowJSON(body []byte) error {
	depth, quoted, many := 0, false, 0
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
			if many++; many > messagesMax {
				return errMany
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
