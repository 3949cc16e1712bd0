package memory

import (
	"context"
	"time"
)

// families implements measured.
func (m *metrics) families() []family {
	return []family{
		{"gabion_metrics_tier_series", "gauge", []string{"tier"}, "Series that have had samples lately: tier is raw or long."},
		{"gabion_metrics_tier_bytes", "gauge", []string{"tier"}, "What a tier takes on the disk."},
		{"gabion_metrics_tier_full", "gauge", []string{"tier"}, "1 while a tier takes nothing because there is no room, else 0."},
		{"gabion_metrics_tier_oldest_timestamp_seconds", "gauge", []string{"tier"}, "The time of the first sample of a tier, in seconds since 1970; left out when it is empty."},
		{"gabion_metrics_dropped_samples_total", "counter", []string{"producer", "reason", "culprit"}, "Samples that the guards refused, and why; culprit is the service or the metric with too many series, or the metric with bad labels. The largest counts are shown."},
		{"gabion_metrics_rollup_behind_seconds", "gauge", nil, "How much older than it should be the step is that is rolled up next."},
		{"gabion_metrics_rollup_failed", "gauge", nil, "How many rules of the last roll-up could not be evaluated."},
		{"gabion_metrics_damaged_total", "counter", nil, "Damaged blocks, chunks of blocks, and files of the write-ahead logs that were found."},
		{"gabion_metrics_scrape_targets", "gauge", []string{"scrape_job", "health"}, "Targets whose metrics are fetched: health is up, down or unknown."},
	}
}

// shownDrops is how many counts of dropped samples are shown: who floods the store must not get as many series for that.
const shownDrops = 100

// measure implements measured.
func (m *metrics) measure(_ context.Context, put put) {
	for _, s := range m.store.Status() {
		full := 0.0
		if s.Full != nil {
			full = 1
		}
		put("gabion_metrics_tier_series", float64(s.Series), "tier", s.Name)
		put("gabion_metrics_tier_bytes", float64(s.Bytes), "tier", s.Name)
		put("gabion_metrics_tier_full", full, "tier", s.Name)
		if !s.Oldest.IsZero() {
			put("gabion_metrics_tier_oldest_timestamp_seconds", float64(s.Oldest.UnixMilli())/float64(time.Second/time.Millisecond), "tier", s.Name)
		}
	}
	drops := m.store.Drops()
	for _, d := range drops[:min(len(drops), shownDrops)] {
		put("gabion_metrics_dropped_samples_total", float64(d.Samples), "producer", d.Producer, "reason", d.Reason.String(), "culprit", d.Culprit)
	}
	rolled := m.store.RolledUp()
	put("gabion_metrics_rollup_behind_seconds", rolled.Behind.Seconds())
	put("gabion_metrics_rollup_failed", float64(rolled.Failed))
	put("gabion_metrics_damaged_total", float64(m.damaged.Load()))
	m.measureRemote(put)
	type group struct{ job, health string }
	targets := map[group]int{}
	for _, t := range m.scraper.Targets() {
		targets[group{t.Job, t.Health}]++
	}
	for g, n := range targets {
		put("gabion_metrics_scrape_targets", float64(n), "scrape_job", g.job, "health", g.health)
	}
}
