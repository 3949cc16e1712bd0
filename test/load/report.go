package load

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Result says how a request ended for its client.
type Result uint8

// The results of a request.
const (
	// NotSent: too many other requests waited for their answers.
	NotSent Result = iota
	// Whole: a complete answer came in time, with whatever status. One of a backend with status 200 is what was asked for.
	Whole
	// Late: no complete answer came in time.
	Late
	// Unreachable: there was no connection to send it on.
	Unreachable
	// Broken: the connection broke before the answer was complete, so that the client knew.
	Broken
	// Wrong: the answer looked complete, but was too short or another's.
	Wrong
)

// String names the result.
func (r Result) String() string {
	return [...]string{"not sent", "whole", "late", "unreachable", "broken", "wrong"}[r]
}

// Sample is what became of one request.
type Sample struct {
	// ID is the request's id.
	ID string
	// At is when it was due, after the start of the load. Took is how long it took from then to the end of its answer.
	At, Took time.Duration
	Method   string
	// Sent is when it was really sent, and Stalled whether this machine stood still while it was under way: then its
	// latency says nothing about what is tested.
	Sent    time.Duration
	Stalled bool
	// Result says how it ended, and Err why, when it did not end well.
	Result Result
	Err    error
	// Status and Header are those of the answer; Status is 0 when there was none.
	Status int
	Header http.Header
	// Backend is the backend that answered, "" when it was none.
	Backend string
	// Problem is the type of the gateway's own answer, such as "circuit-open".
	Problem string
	// RetryAfter is the answer's Retry-After.
	RetryAfter string
}

// OK says whether the request got a whole answer with a 2xx status in time.
func (s *Sample) OK() bool { return s.Result == Whole && s.Status >= 200 && s.Status < 300 }

// Report is what became of a load.
type Report struct{ samples Samples }

// All are all requests, in the order of sending.
func (r *Report) All() Samples { return r.samples }

// Get are the GET requests.
func (r *Report) Get() Samples { return r.samples.method("GET") }

// Post are the POST requests.
func (r *Report) Post() Samples { return r.samples.method("POST") }

// Samples are some requests of a load.
type Samples []Sample

// Where are the samples that fit.
func (s Samples) Where(fits func(*Sample) bool) Samples {
	var some Samples
	for i := range s {
		if fits(&s[i]) {
			some = append(some, s[i])
		}
	}
	return some
}

func (s Samples) method(name string) Samples {
	return s.Where(func(x *Sample) bool { return x.Method == name })
}

// Between are the samples that were due from one moment up to another, both after the start of the load.
func (s Samples) Between(from, to time.Duration) Samples {
	return s.Where(func(x *Sample) bool { return x.At >= from && x.At < to })
}

// Awake are the samples during which this machine did not stand still.
func (s Samples) Awake() Samples { return s.Where(func(x *Sample) bool { return !x.Stalled }) }

// stall is how late a request must be sent for the machine to have stood still. What takes more than so many times as long is
// slow for another reason.
const (
	stall  = 25 * time.Millisecond
	excuse = 8
)

// markStalls finds out when the machine stood still, from requests that could not be sent when they were due.
func (s Samples) markStalls() {
	for i := range s {
		late := s[i].Sent - s[i].At
		if late < stall {
			continue
		}
		for k := range s {
			if s[k].Took <= excuse*late && s[k].At <= s[i].Sent && s[k].At+s[k].Took >= s[i].At {
				s[k].Stalled = true
			}
		}
	}
}

// Failed are the samples that were not OK.
func (s Samples) Failed() Samples { return s.Where(func(x *Sample) bool { return !x.OK() }) }

// Result are the samples that ended so.
func (s Samples) Result(r Result) Samples {
	return s.Where(func(x *Sample) bool { return x.Result == r })
}

// Status are the samples that were answered with that status.
func (s Samples) Status(status int) Samples {
	return s.Where(func(x *Sample) bool { return x.Status == status })
}

// By are the samples that the backend of that name answered.
func (s Samples) By(backend string) Samples {
	return s.Where(func(x *Sample) bool { return x.Backend == backend })
}

// OKShare is the share of samples that were OK, 0 when there are none.
func (s Samples) OKShare() float64 {
	if len(s) == 0 {
		return 0
	}
	return 1 - float64(len(s.Failed()))/float64(len(s))
}

// Quantile is the latency that the share q of the samples did not exceed; what was never answered counts with the time
// that was waited for it.
func (s Samples) Quantile(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	all := make([]time.Duration, len(s))
	for i := range s {
		all[i] = s[i].Took
	}
	slices.Sort(all)
	return all[max(0, int(math.Ceil(q*float64(len(all))))-1)]
}

// PerSecond counts the samples of each second of the load.
func (s Samples) PerSecond() []int {
	var series []int
	for i := range s {
		second := int(s[i].At / time.Second)
		for len(series) <= second {
			series = append(series, 0)
		}
		series[second]++
	}
	return series
}

// String says how many there are, what became of them and how long they took.
func (s Samples) String() string {
	outcomes := map[string]int{}
	for i := range s {
		outcomes[s[i].outcome()]++
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests, p50 %v, p99 %v:", len(s), s.Quantile(.5).Round(time.Millisecond/10), s.Quantile(.99).Round(time.Millisecond/10))
	for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
		fmt.Fprintf(&b, " %d× %s,", outcomes[outcome], outcome)
	}
	return strings.TrimRight(b.String(), ",:")
}

func (s *Sample) outcome() string {
	switch s.Result {
	case Whole:
		return fmt.Sprintf("%d from %s", s.Status, s.source())
	case NotSent:
		return s.Result.String()
	default:
		return fmt.Sprintf("%s (status %d from %s)", s.Result, s.Status, s.source())
	}
}

func (s *Sample) source() string {
	if s.Backend == "" {
		return strings.TrimSpace("the gateway " + s.Problem)
	}
	return s.Backend
}
