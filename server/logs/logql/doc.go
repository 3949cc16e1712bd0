// Package logql is a query language for logs: the subset of Grafana Loki's LogQL that people and dashboards use, written anew from its public
// documentation.
//
// [Parse] reads a query, [Engine.Query] answers it from a [Source]. A log query selects lines and passes each through stages:
//
//	{service="shop", level=~"error|warn"} |= "timeout" | json | status >= 500 | line_format "{{.path}}"
//
// A metric query counts them:
//
//	sum by (handler) (rate({service="shop"} |= "timeout" [5m]))
//	quantile_over_time(0.99, {service="shop"} | logfmt | unwrap duration(took) [5m]) by (handler)
//
// # What a line is
//
// The text of a line is the message of the entry. Its stream is told by the labels service, instance, handler and level, which is always there.
// trace_id, span_id and all attributes are structured metadata: usable in selectors and label filters without a parser. Characters of
// their names that a label cannot have are "_" (see [LabelName]). detected_level and service_name are other names for level and service.
// What a parser extracts under a name that is already taken gets the suffix _extracted; a level that is unknown gives way instead.
//
// # Where it differs
//
// The series of a range aggregation have the labels of the stream, what stages extracted, and of the structured metadata what the query
// names in by, on, group_left, group_right or label_replace; the rest, such as trace IDs, would make each line a series. A selector may be empty.
// Stages not known: unpack, decolorize, ip(). Templates know neither range nor define, so that they always end.
package logql
