package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/harness"
	"github.com/gabion-io/gabion/test/process"
)

// storeMost is what the store may take: its memory limit is 1 GiB, and files that it has mapped count as well.
const storeMost = 1280 << 20

// gatewayMost is by how much the gateway may grow while it passes a flood on.
const gatewayMost = 96 << 20

// senders send while they are told to, each one body after the other.
type senders struct {
	bodies func(sender, i int) (path, contentType, body string)
	taken  func(status int, answer string)
	pace   time.Duration // between two bodies of a sender
	n      int

	stop context.CancelFunc
	done sync.WaitGroup
	next []int
}

func (s *senders) begin(t *testing.T, g *harness.Gateway) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s.stop = stop
	if s.next == nil {
		s.next = make([]int, s.n)
	}
	for sender := range s.n {
		s.done.Go(func() {
			tick := time.NewTicker(s.pace)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				path, contentType, body := s.bodies(sender, s.next[sender])
				if body == "" {
					return
				}
				s.next[sender]++
				s.taken(g.Send(path, contentType, body))
			}
		})
	}
}

func (s *senders) end() {
	s.stop()
	s.done.Wait()
}

// settles waits until a metric of the store itself, which are taken every ten seconds, is what it should be.
func settles(g *harness.Gateway, expr string, is func(float64) bool) (value float64, ok bool) {
	const within = 25 * time.Second
	for began := time.Now(); time.Since(began) < within; {
		all, err := g.Samples(expr)
		value = 0
		for _, s := range all {
			value += s.Value
		}
		if err == nil && is(value) {
			return value, true
		}
		timer := time.NewTimer(200 * time.Millisecond)
		<-timer.C
	}
	return value, false
}

// bomb is a producer with very many series.
type bomb struct{ series int }

// seriesBodies are made before the load, so that making them takes no time from it.
func seriesBodies(series, batch int) (bodies []string) {
	for first := 0; first < series; first += batch {
		var b strings.Builder
		for n := first; n < min(first+batch, series); n++ {
			fmt.Fprintf(&b, "e2e_bomb{user=\"%d\"} 1\n", n)
		}
		bodies = append(bodies, b.String())
	}
	return bodies
}

func manySeries(t *testing.T, c bomb, f *harness.Findings) {
	const batch = 20_000
	g := storing(t)
	since := time.Now()
	p := produce(t, g, "bomb")
	pid, before := g.Store(t).PID, g.Memory(t)
	watch := watchMemory(t, pid)
	bodies := seriesBodies(c.series, batch)
	var mu sync.Mutex
	answers, sent, told := map[int]int{}, 0, ""
	flood := &senders{n: 2, pace: 100 * time.Millisecond, bodies: func(sender, i int) (string, string, string) {
		next := 2*i + sender
		if next >= len(bodies) {
			return "", "", ""
		}
		return "/api/v1/metrics?job=bomb", "text/plain", bodies[next]
	}, taken: func(status int, answer string) {
		mu.Lock()
		defer mu.Unlock()
		answers[status]++
		sent += batch
		if status == 400 {
			told = answer
		}
	}}
	trouble{rounds: 3, begin: func() { flood.begin(t, g) }, end: flood.end}.through(t, g, f)
	flood.begin(t, g) // what is left
	flood.done.Wait()
	most, grown := watch.end(), g.Memory(t)-before
	f.Claim(bounded, most < harness.Room(storeMost), "%d MiB", most>>20)
	f.Claim(gatewayFlat, grown < harness.Room(gatewayMost), "grown by %d MiB", grown>>20)
	f.Claim(saysSo, strings.Contains(told, "too many series"), "%v %s", answers, told)
	recovered(t, g, f, upWithin)
	p.end()
	p.kept(f, since)
	count, ok := settles(g, `gabion_metrics_dropped_samples_total{culprit=~"bomb|e2e_bomb"}`, func(v float64) bool { return v >= 900_000 })
	f.Claim(counted, ok, "%v of %d sent", count, sent)
	if after := g.Store(t); after.PID != pid {
		t.Errorf("the store did not survive: %+v", after)
	}
}

func TestAMillionNewSeries(t *testing.T) {
	harness.ProveAlone(t, manySeries, bomb{1_000_000},
		harness.Twin[bomb]{Name: "too many of them", Config: bomb{30_000}, Breaks: []string{saysSo, counted}})
}

// torrent is a producer with very many lines.
type torrent struct{ services, perSecond int }

func manyLines(t *testing.T, c torrent, f *harness.Findings) {
	const senderCount, pace = 4, 200 * time.Millisecond
	g := storing(t)
	since := time.Now()
	p := produce(t, g, "torrent")
	pid, before := g.Store(t).PID, g.Memory(t)
	watch := watchMemory(t, pid)
	batch := c.perSecond / senderCount * int(pace/time.Millisecond) / 1000
	bodies := make([]string, c.services)
	for i := range bodies {
		var b strings.Builder
		for n := range batch {
			fmt.Fprintf(&b, `{"service":"flood-%d","level":"info","msg":"GET /items/%d answered","user":"u%d","status":200}`+"\n", i, n, n%100)
		}
		bodies[i] = b.String()
	}
	var mu sync.Mutex
	answers, sent, taken, refused := map[int]int{}, 0, 0, 0
	flood := &senders{n: senderCount, pace: pace, bodies: func(sender, i int) (string, string, string) {
		return "/api/v1/logs", "application/x-ndjson", bodies[(sender+i*senderCount)%len(bodies)]
	}, taken: func(status int, answer string) {
		var a struct{ Taken, Refused int }
		err := json.Unmarshal([]byte(answer), &a)
		mu.Lock()
		defer mu.Unlock()
		answers[status]++
		sent += batch
		if err == nil && status == 200 {
			taken, refused = taken+a.Taken, refused+a.Refused
		} else {
			refused += batch
		}
	}}
	const noisy = 4 * time.Second
	trouble{rounds: 3, noisy: noisy, begin: func() { flood.begin(t, g) }, end: flood.end}.through(t, g, f)
	most, grown := watch.end(), g.Memory(t)-before
	f.Claim(bounded, most < harness.Room(storeMost), "%d MiB", most>>20)
	f.Claim(gatewayFlat, grown < harness.Room(gatewayMost), "grown by %d MiB", grown>>20)
	f.Claim(saysSo, refused > 0, "sent %d, taken %d, refused %d; %v", sent, taken, refused, answers)
	recovered(t, g, f, upWithin)
	p.end()
	p.kept(f, since)
	have, err := g.CountLines(`sum(count_over_time({service=~"flood-.*"}[10m]))`)
	f.Claim(nothingLost+": the flood", err == nil && have >= float64(taken), "%v lines of %d that were taken; %v", have, taken, err)
	count, ok := settles(g, `gabion_ingest_limited_lines_total{service=~"flood-.*"}`, func(v float64) bool { return v > 0 && v >= float64(refused) })
	f.Claim(counted, ok, "%v of %d that were refused", count, refused)
	if after := g.Store(t); after.PID != pid {
		t.Errorf("the store did not survive: %+v", after)
	}
}

func TestAFloodOfLines(t *testing.T) {
	harness.ProveAlone(t, manyLines, torrent{services: 3, perSecond: 100_000},
		harness.Twin[torrent]{Name: "too many of them", Config: torrent{services: 3, perSecond: 2_000}, Breaks: []string{saysSo, counted}})
}

// skew is a producer whose clock is wrong.
type skew struct{ ahead time.Duration }

const setToNow = "a line of tomorrow is kept as one of now"

func wrongClock(t *testing.T, c skew, f *harness.Findings) {
	g := storing(t)
	since := time.Now()
	p := produce(t, g, "skew")
	wrong := func() (status int, answer string) {
		at := time.Now().Add(c.ahead)
		status, answer = g.Send("/api/v1/metrics?job=skew", "text/plain", fmt.Sprintf("e2e_skew{clock=\"wrong\"} 1 %d\n", at.UnixMilli()))
		g.Send("/api/v1/logs", "application/x-ndjson", fmt.Sprintf(`{"time":%q,"service":"skewed","msg":"of tomorrow"}`+"\n", at.Format(time.RFC3339Nano)))
		return status, answer
	}
	var status int
	var answer string
	trouble{rounds: 3, begin: func() { status, answer = wrong() }}.through(t, g, f)
	f.Claim(saysSo, status == 400 && strings.Contains(answer, "future"), "%d %s", status, answer)
	status, answer = g.Send("/api/v1/metrics?job=skew", "text/plain", "e2e_skew{clock=\"right\"} 1\n")
	value := g.Value(t, `e2e_skew{clock="right"}`)
	f.Claim(othersTaken, status/100 == 2 && value == 1, "%d %s; found %v", status, answer, value)
	texts, err := g.Lines(`{service="skewed"}`, since, time.Now().Add(time.Minute))
	f.Claim(setToNow, err == nil && len(texts) == 3, "%d of 3; %v", len(texts), err)
	recovered(t, g, f, upWithin)
	p.end()
	p.kept(f, since)
	samples, ok := settles(g, `gabion_metrics_dropped_samples_total{reason="future"}`, func(v float64) bool { return v == 3 })
	lines, ok2 := settles(g, `gabion_ingest_limited_lines_total{service="skewed", reason="clock"}`, func(v float64) bool { return v == 3 })
	f.Claim(counted, ok && ok2, "%v samples, %v lines", samples, lines)
}

func TestAClockThatIsADayAhead(t *testing.T) {
	harness.ProveAlone(t, wrongClock, skew{24 * time.Hour},
		harness.Twin[skew]{Name: "so wrong a clock", Config: skew{90 * time.Second}, Breaks: []string{saysSo, counted, setToNow}})
}

// An idle store costs next to nothing.
func idle(t *testing.T, busy bool, f *harness.Findings) {
	g := storing(t)
	pid := g.Store(t).PID
	if busy {
		lines := strings.Repeat(`{"service":"busy","level":"info","msg":"GET /items answered"}`+"\n", 1000)
		flood := &senders{n: 1, pace: 100 * time.Millisecond, bodies: func(int, int) (string, string, string) {
			return "/api/v1/logs", "application/x-ndjson", lines
		}, taken: func(int, string) {}}
		flood.begin(t, g)
		defer flood.end()
	}
	settle := time.NewTimer(12 * time.Second) // the first metrics have come
	<-settle.C
	began, used := time.Now(), process.CPUOf(t, pid)
	watched := time.NewTimer(25 * time.Second)
	<-watched.C
	share := float64(process.CPUOf(t, pid)-used) / float64(time.Since(began))
	f.Claim("at most 1 % of a core", share <= .01*float64(harness.Room(1)), "%.2f %%", 100*share)
	have := process.MemoryOf(t, pid)
	f.Claim("at most 120 MiB", have <= harness.Room(120<<20), "%d MiB", have>>20)
}

func TestAnIdleStore(t *testing.T) {
	t.Parallel()
	harness.Prove(t, idle, false, harness.Twin[bool]{Name: "idleness", Config: true, Breaks: []string{"at most 1 % of a core"}})
}
