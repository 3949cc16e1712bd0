package view

import (
	"strconv"
	"time"

	"github.com/gabion-io/gabion/server/status"
)

// number is a count; nothing for none, so that what is there stands out.
func number[N int | uint64](n N) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatUint(uint64(n), 10)
}

// rate is a number per second with three significant digits.
func rate(perSecond float64) string {
	switch {
	case perSecond <= 0:
		return ""
	case perSecond < 0.01:
		return "<0.01"
	case perSecond < 10:
		return strconv.FormatFloat(perSecond, 'f', 2, 64)
	case perSecond < 100:
		return strconv.FormatFloat(perSecond, 'f', 1, 64)
	}
	return strconv.FormatFloat(perSecond, 'f', 0, 64)
}

// percent is a share.
func percent(share float64) string {
	switch {
	case share <= 0:
		return ""
	case share < 0.001:
		return "<0.1%"
	}
	return strconv.FormatFloat(share*100, 'f', 1, 64) + "%"
}

// age is how long something is ago, in its two largest units.
func age(d time.Duration) string {
	d = max(d, 0)
	day := 24 * time.Hour
	switch {
	case d >= day:
		return strconv.Itoa(int(d/day)) + "d" + strconv.Itoa(int(d%day/time.Hour)) + "h"
	case d >= time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h" + strconv.Itoa(int(d%time.Hour/time.Minute)) + "m"
	case d >= time.Minute:
		return strconv.Itoa(int(d/time.Minute)) + "m" + strconv.Itoa(int(d%time.Minute/time.Second)) + "s"
	}
	return strconv.Itoa(int(d/time.Second)) + "s"
}

// seconds is a duration that was measured, in milliseconds or seconds. It is not known when it is negative.
func seconds(s float64) string {
	switch {
	case s < 0:
		return ""
	case s < 1:
		return strconv.FormatFloat(s*1000, 'f', 0, 64) + "ms"
	}
	return strconv.FormatFloat(s, 'f', 1, 64) + "s"
}

// quantile estimates below which number of seconds the share q of the observations lies, as Prometheus does: linearly
// within a bucket. beyond is set when it lies in the last bucket, which has no end: then it is more than what is
// returned. It is -1 when there are no observations.
func quantile(h status.Histogram, q float64) (value float64, beyond bool) {
	total := uint64(0)
	for _, b := range h.Buckets {
		total += b.Count
	}
	if total == 0 {
		return -1, false
	}
	rank, seen, low := q*float64(total), 0.0, 0.0
	for i, b := range h.Buckets {
		if i == len(h.Buckets)-1 {
			break
		}
		if n := float64(b.Count); n > 0 && seen+n >= rank {
			return low + (b.LE-low)*max(0, rank-seen)/n, false
		}
		seen += float64(b.Count)
		low = b.LE
	}
	return low, true
}

// latency is a quantile as text.
func latency(h status.Histogram, q float64) string {
	value, beyond := quantile(h, q)
	if beyond {
		return ">" + seconds(value)
	}
	return seconds(value)
}
