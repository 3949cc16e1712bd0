package memory

import (
	"context"

	"github.com/gabion-io/gabion/server/ingest/tail"
)

// families implements measured.
func (g *gates) families() []family {
	return []family{
		{"gabion_ingest_limited_lines_total", "counter", []string{"service", "reason"}, "Lines that were not taken as they came: reason is quota, debug_over_quota or refused (dropped), deferred (the sender was asked to come again), cut (it was too long) or clock (its time was ahead)."},
		{"gabion_ingest_limited_bytes_total", "counter", []string{"service", "reason"}, "The size of these lines in memory."},
		{"gabion_ingest_otlp_refused_points_total", "counter", nil, "Points of metrics over OTLP that cannot be stored, such as differences that came twice; the sender was told why. Those that the guards of the metrics dropped are not counted here."},
		{"gabion_ingest_way_open", "gauge", []string{"way"}, "1 while a way in with a listener or files of its own is open, else 0."},
		{"gabion_ingest_way_failures_total", "counter", []string{"way"}, "How often such a way could not be opened, or ended by itself."},
		{"gabion_ingest_syslog_messages_total", "counter", []string{"result"}, "Messages over syslog: result is taken, malformed, dropped, or cut (which are also among those taken or dropped)."},
		{"gabion_ingest_syslog_refused_connections_total", "counter", nil, "Connections over syslog that were one too many, or did not speak the protocol."},
		{"gabion_ingest_files", "gauge", []string{"state"}, "Files that match a pattern: state is followed, or excess when there are too many."},
		{"gabion_ingest_files_lines_total", "counter", []string{"result"}, "Lines of files: result is taken, dropped, or cut (which are also among those taken or dropped)."},
		{"gabion_ingest_files_rotations_total", "counter", nil, "Rotations and truncations of files that were noticed."},
		{"gabion_ingest_files_failures_total", "counter", nil, "Failures of reading a file, or of remembering how far it was read."},
	}
}

// measure implements measured.
func (g *gates) measure(ctx context.Context, put put) {
	for _, c := range g.guard.Counts() {
		put("gabion_ingest_limited_lines_total", float64(c.Lines), "service", c.Service, "reason", c.Reason.String())
		put("gabion_ingest_limited_bytes_total", float64(c.Bytes), "service", c.Service, "reason", c.Reason.String())
	}
	put("gabion_ingest_otlp_refused_points_total", float64(g.otlp.RefusedPoints()))
	for _, w := range g.ways {
		s := w.status()
		put("gabion_ingest_way_open", bit(s.Open), "way", w.name)
		put("gabion_ingest_way_failures_total", float64(s.Failures), "way", w.name)
	}
	if g.settings.SyslogUDP != "" || g.settings.SyslogTCP != "" {
		g.measureSyslog(put)
	}
	if len(g.settings.Files) > 0 {
		g.measureFiles(ctx, put)
	}
}

func (g *gates) measureSyslog(put put) {
	c := g.syslog.Counts()
	const messages = "gabion_ingest_syslog_messages_total"
	put(messages, float64(c.Taken), "result", "taken")
	put(messages, float64(c.Malformed), "result", "malformed")
	put(messages, float64(c.Dropped), "result", "dropped")
	put(messages, float64(c.Cut), "result", "cut")
	put("gabion_ingest_syslog_refused_connections_total", float64(c.Refused))
}

// measureFiles is nothing while the files are not followed, or busy.
func (g *gates) measureFiles(ctx context.Context, put put) {
	c, ok := g.fileCounts(ctx)
	if !ok {
		return
	}
	put("gabion_ingest_files", float64(c.Files), "state", "followed")
	put("gabion_ingest_files", float64(c.Excess), "state", "excess")
	put("gabion_ingest_files_lines_total", float64(c.Lines), "result", "taken")
	put("gabion_ingest_files_lines_total", float64(c.Dropped), "result", "dropped")
	put("gabion_ingest_files_lines_total", float64(c.Cut), "result", "cut")
	put("gabion_ingest_files_rotations_total", float64(c.Rotations))
	put("gabion_ingest_files_failures_total", float64(c.Failures))
}

// fileCounts asks who follows the files.
func (g *gates) fileCounts(ctx context.Context) (tail.Counts, bool) {
	for _, w := range g.ways {
		w.mu.Lock()
		t := w.tail
		w.mu.Unlock()
		if t != nil {
			c, err := t.Counts(ctx)
			return c, err == nil
		}
	}
	return tail.Counts{}, false
}
