package limit

import (
	"slices"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/server/mask"
	"github.com/gabion-io/gabion/server/status"
)

// What decisions are about, and what they were.
const (
	byRequests = iota
	byServerTime
	byConcurrency
	kinds
)

const (
	allowed = iota
	refused
	shadowed
	outcomes
)

var (
	kindNames    = [kinds]string{"requests", "server_time", "concurrency"}
	outcomeNames = [outcomes]string{"allowed", "refused", "shadow"}
)

// count counts a decision, and says whether the request may pass. What a limit allowed counts as that, even when another
// limit refuses the request.
func (l *Limit) count(kind int, d ratelimit.Decision) bool {
	switch {
	case d.OK:
		l.counts[kind][allowed].Add(1)
	case l.shadow:
		l.counts[kind][shadowed].Add(1)
	default:
		l.counts[kind][refused].Add(1)
		return false
	}
	return true
}

// Status is the limit as metrics and the API show it.
func (l *Limit) Status() status.Limit {
	s := status.Limit{Name: l.name, Mode: "enforce"}
	if l.shadow {
		s.Mode = "shadow"
	}
	if l.requests != nil {
		s.Keys = l.requests.Snapshot().Keys
	}
	if l.time != nil {
		s.Keys = max(s.Keys, l.time.Snapshot().Keys)
	}
	for kind := range kinds {
		for outcome := range outcomes {
			if n := l.counts[kind][outcome].Load(); n > 0 || l.limits(kind) && (outcome == allowed || (outcome == shadowed) == l.shadow) {
				s.Decisions = append(s.Decisions, status.Decision{Kind: kindNames[kind], Decision: outcomeNames[outcome], Count: n})
			}
		}
	}
	return s
}

// limits says whether the limit can decide by the kind.
func (l *Limit) limits(kind int) bool {
	if kind == byRequests {
		return l.requests != nil
	}
	return l.time != nil
}

// window is the time that a limiter's usage covers, in seconds.
const window = 60

// Top are the n keys that used most of the limit lately.
func (l *Limit) Top(now gabion.Instant, by status.By, n int) []status.Usage {
	var usage []ratelimit.Usage
	switch {
	case by == status.ByServerTime && l.time != nil:
		usage = l.time.Top(now, n)
	case by == status.ByServerTime:
		return nil
	case l.requests != nil:
		usage = l.requests.Top(now, n)
	case l.time != nil:
		usage = l.time.TopByRequests(now, n)
	}
	top := make([]status.Usage, 0, len(usage))
	for _, u := range usage {
		top = append(top, status.Usage{
			Limit: l.name, Key: l.shown(u.Key), Requests: float64(u.Requests) / window, ServerTime: u.ServerTime.Seconds() / window,
			InFlight: u.InFlight, Refused: u.Refused, Limited: u.Limited,
		})
	}
	return slices.Clip(top)
}

// shown is a key as it may be shown.
func (l *Limit) shown(key string) string {
	if key == ratelimit.OverflowKey {
		return key
	}
	return mask.Key(key)
}
