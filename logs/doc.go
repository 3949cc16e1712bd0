// Package logs brings the log of a service to Gabion. Its [Handler] is a slog.Handler: it puts records into a buffer and
// sends them to a Gabion server in batches (POST /api/v1/logs, one JSON object a line).
//
//	logger.Info ──▶ Handler ──▶ buffer, bounded ──▶ batches ──▶ Gabion
//	                   └──────▶ Config.Next, such as stderr
//
// Whoever logs never waits for Gabion, whatever state it and the network are in. What fails is tried again with backoff and
// full jitter, after the time that Retry-After asks for, while the buffer fills; when it is full, the oldest lines go.
// They are counted, see [Handler.Counts], and the log that Gabion gets says where lines are missing and how many. Config.Next
// is told when sending begins to fail and when it works again.
//
// Lines come at least once: one that Gabion took although the answer got lost is sent again. What is in the buffer when the
// process is killed is lost, and so is what is logged before os.Exit without [Handler.Close]; Config.Next still has it.
//
// Time, level, message, service, instance, route or handler, trace_id and span_id are fields of their own in Gabion; all
// other attributes can be searched by their names. Attributes in a group become one JSON object under the name of the group.
//
// [Config].Transport must not log through the same handler, or each batch makes lines for the next one.
package logs
