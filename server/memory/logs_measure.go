package memory

import (
	"context"

	logstore "github.com/gabion-io/gabion/server/logs/store"
)

// families implements measured.
func (l *logs) families() []family {
	tier := []string{"tier"}
	return []family{
		{"gabion_log_lines_total", "counter", []string{"service", "level"}, "Lines that were kept. Spans are not counted."},
		{"gabion_log_template_lines_total", "counter", []string{"service", "level", "template", "id"}, "Lines of level warn and above by what does not vary of their text: the templates with the most lines."},
		{"gabion_log_refused_lines_total", "counter", nil, "Lines that were not kept for want of room or for an error of the disk; their sender knows. Those over quota are not counted here."},
		{"gabion_log_memory_lines", "gauge", nil, "Lines that are in the journal and in memory, and in no segment yet."},
		{"gabion_log_memory_bytes", "gauge", nil, "The memory that they take."},
		{"gabion_log_tier_segments", "gauge", tier, "Files of a tier: tier is short or long."},
		{"gabion_log_tier_lines", "gauge", tier, "Lines in them."},
		{"gabion_log_tier_bytes", "gauge", tier, "What they take on the disk."},
		{"gabion_log_tier_oldest_timestamp_seconds", "gauge", tier, "The time of the oldest line, in seconds since 1970; left out when there is none."},
		{"gabion_log_failures_total", "counter", nil, "What could not be written, merged or removed, and was tried again."},
		{"gabion_log_damaged_total", "counter", nil, "Damaged parts of the journal and of segments."},
		{"gabion_log_lost_records_total", "counter", nil, "Batches of lines in the journal that cannot be read for damage."},
		{"gabion_log_lost_lines_total", "counter", nil, "Lines in segments that cannot be read for damage."},
		{"gabion_log_own_limited_lines_total", "counter", []string{"service", "reason"}, "Lines of the gateway's own logs that were not taken as they came, for the reasons of gabion_ingest_limited_lines_total."},
		{"gabion_log_own_unreadable_lines_total", "counter", nil, "Lines of the gateway's own logs that could not be read."},
	}
}

// measure implements measured.
func (l *logs) measure(_ context.Context, put put) {
	l.miner.Measure(put)
	s := l.store.Status()
	put("gabion_log_refused_lines_total", float64(s.Refused))
	put("gabion_log_memory_lines", float64(s.MemoryLines))
	put("gabion_log_memory_bytes", float64(s.MemoryBytes))
	measureTier(put, "short", s.Short)
	measureTier(put, "long", s.Long)
	put("gabion_log_failures_total", float64(s.Failures))
	put("gabion_log_damaged_total", float64(s.Damaged))
	put("gabion_log_lost_records_total", float64(s.LostRecords))
	put("gabion_log_lost_lines_total", float64(s.LostLines))
	for _, c := range l.guard.Counts() {
		put("gabion_log_own_limited_lines_total", float64(c.Lines), "service", c.Service, "reason", c.Reason.String())
	}
	put("gabion_log_own_unreadable_lines_total", float64(l.unreadable.Load()))
}

func measureTier(put put, name string, s logstore.TierStatus) {
	put("gabion_log_tier_segments", float64(s.Segments), "tier", name)
	put("gabion_log_tier_lines", float64(s.Lines), "tier", name)
	put("gabion_log_tier_bytes", float64(s.Bytes), "tier", name)
	if !s.Oldest.IsZero() {
		put("gabion_log_tier_oldest_timestamp_seconds", float64(s.Oldest.UnixMilli())/1e3, "tier", name)
	}
}
