// Package loki answers the query side of Grafana Loki's HTTP API over logql, so that a stock Loki data source of Grafana and command-line clients of Loki
// work. It is written from the public documentation of that API.
//
//	GET  /ready
//	GET  /loki/api/v1/query              metric queries at one moment
//	GET  /loki/api/v1/query_range        lines, or metric queries over a time
//	GET  /loki/api/v1/labels             names of labels
//	GET  /loki/api/v1/label/NAME/values
//	GET  /loki/api/v1/series
//	GET  /loki/api/v1/index/stats        approximate
//	GET  /loki/api/v1/detected_labels
//	GET  /loki/api/v1/format_query
//	GET  /loki/api/v1/tail               WebSocket
//	GET  /loki/api/v1/status/buildinfo
//
// All of them take POST with a form as well. Times are RFC 3339, seconds since 1970 (also with a fraction) or nanoseconds; durations are as 5m or in
// seconds. A mistake of the client is answered with status 400 and a plain text. Queries whose answer lacks lines that cannot be read say so in warnings.
package loki
