package view

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/status"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func golden(t *testing.T, name, have string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if have != string(want) {
		t.Errorf("%s (run with -rewrite if this is meant):\n%s", name, have)
	}
}

var (
	noon   = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	berlin = time.FixedZone("CEST", 2*60*60)
)

func histogram(counts ...uint64) status.Histogram {
	h := status.Histogram{Sum: 1}
	for i, le := range []float64{0.005, 0.05, 0.5, 0} {
		h.Buckets = append(h.Buckets, status.Bucket{LE: le, Count: counts[i]})
	}
	return h
}

// picture is of a gateway on a bad day.
func picture() status.Report {
	return status.Report{
		Now:     noon,
		Process: status.Process{Version: "1.2.3", State: status.Serving, Started: noon.Add(-26 * time.Hour)},
		Config: status.Config{
			Generation: 4, ETag: `"abc"`, Loaded: noon.Add(-25 * time.Hour), Tried: noon.Add(-time.Minute),
			Error: "gabion.yaml:3:5: unknown key retrys\n     3 |     retrys: off\n       |     ^^^^^^\n  did you mean retry?\n",
		},
		Store: status.Store{
			State: "down", Since: noon.Add(-3 * time.Minute), Reason: "signal: killed: no space left\nand more", Restarts: 4, Disk: "full",
			Feeds: []status.Feed{{Name: "metrics", Bytes: 1 << 20, Refused: 2}, {Name: "lines", Bytes: 20_000, Dropped: 12_000}},
		},
		Services: []status.Service{
			{
				Name: "catalog", Balance: "least_load", StandbyActive: true,
				Endpoints: []status.Endpoint{
					{Name: "127.0.0.1:9001", State: status.Healthy, InFlight: 3, Requests: 120_000, Errors: 4, Since: noon.Add(-26 * time.Hour), Breaker: &status.Breaker{State: status.Closed}},
					{Name: "127.0.0.1:9002", State: status.Ejected, Reason: "5 errors in a row: connection refused", Requests: 400, Errors: 400, Ejections: 3, Since: noon.Add(-5 * time.Second), Breaker: &status.Breaker{State: status.Open, RetryAfter: 4.2}},
					{Name: "127.0.0.1:9009", Standby: true, State: status.SlowStart, Requests: 7, Breaker: &status.Breaker{State: status.HalfOpen}},
					{Name: "127.0.0.1:9003", State: status.Draining, InFlight: 1},
				},
				Breaker:  &status.Breaker{State: status.Closed},
				Bulkhead: &status.Bulkhead{InFlight: 12, Queued: 3, Limit: 12, Pressed: true, Refused: 40},
				Hedge:    &status.Hedge{After: 0.034, Left: 3, Hedges: 20, Wins: 11},
				Shed: &status.Shed{
					InFlight: 40, Limit: 40, Queued: 7, Brownout: 0.25, Refused: map[string]map[string]uint64{"normal": {"full": 900, "expired": 5}},
				},
				Faults: []status.Fault{
					{ID: "1", Service: "catalog", Kind: "latency", Share: 0.5, Met: 12, Until: noon.Add(time.Minute)},
				},
				Budget: &status.Budget{Left: 0.4, Max: 10},
			},
			{Name: "checkout", Balance: "round_robin", FailOpen: true, Endpoints: []status.Endpoint{{Name: "127.0.0.1:9020", State: status.Unhealthy, Reason: "answered 500"}}},
		},
		Routes: []status.Route{
			{Name: "product", Service: "catalog", InFlight: 3, Requests: 1000, Codes: map[string]uint64{"200": 900, "404": 80, "429": 10, "503": 8, "none": 2}, Retries: 40, Fallbacks: 2, Duration: histogram(500, 400, 99, 1)},
			{Name: "slow", Service: "checkout", Requests: 2, Codes: map[string]uint64{"200": 2}, Duration: histogram(0, 0, 0, 2)},
			{Name: "idle", Service: "checkout", Codes: map[string]uint64{}, Duration: histogram(0, 0, 0, 0)},
			{Requests: 5, Codes: map[string]uint64{"404": 5}, Duration: histogram(5, 0, 0, 0)},
		},
		Limits: []status.Limit{
			{Name: "expensive", Mode: "shadow", Keys: 2, Decisions: []status.Decision{
				{Kind: "server_time", Decision: "allowed", Count: 90},
				{Kind: "server_time", Decision: "shadow", Count: 7},
				{Kind: "concurrency", Decision: "allowed", Count: 90},
			}},
			{Name: "per-user", Mode: "enforce", Keys: 10, Decisions: []status.Decision{
				{Kind: "requests", Decision: "allowed", Count: 990}, {Kind: "requests", Decision: "refused", Count: 10},
			}},
			{Name: "unused", Mode: "enforce"},
		},
		Events: []event.Event{
			{ID: 1, At: noon.Add(-25 * time.Hour), Kind: event.KindReload, To: "generation 4"},
			{ID: 2, At: noon.Add(-5 * time.Second), Kind: event.KindEjection, Service: "catalog", Endpoint: "127.0.0.1:9002", From: "healthy", To: "ejected", Reason: "5 errors in a row\nand more"},
			{ID: 3, At: noon, Kind: event.KindLimit, Limit: "per-user", Key: "sha256:9f86d081884c", From: "allowed", To: "limited", Reason: "evil \x1b[2J\x07\u202e text"},
		},
	}
}

func TestStatus(t *testing.T) {
	golden(t, "status.txt", Status(picture(), Style{Zone: berlin}))
	golden(t, "status-color.txt", Status(picture(), Style{Zone: berlin, Color: true}))
	golden(t, "status-empty.txt", Status(status.Report{Now: noon, Process: status.Process{State: status.Starting, Started: noon}}, Style{}))
}

func later() status.Report {
	r := picture()
	r.Now = noon.Add(2 * time.Second)
	r.Config.Error = ""
	p := &r.Routes[0]
	p.Requests, p.Retries = 1100, 50
	p.Codes = map[string]uint64{"200": 960, "404": 90, "429": 10, "503": 38, "none": 2}
	p.Duration = histogram(590, 400, 99, 11)
	s := &r.Services[0]
	s.Bulkhead, s.Hedge = &status.Bulkhead{InFlight: 11, Limit: 12, Refused: 140}, &status.Hedge{After: 1.2, Left: 0.2, Hedges: 24, Wins: 12}
	s.Faults = []status.Fault{{ID: "1", Service: "catalog", Kind: "latency", Share: 0.5, Met: 42, Until: noon.Add(time.Minute)}}
	e := r.Services[0].Endpoints
	e[0].Requests += 100
	e[1].Requests += 10
	e[1].Errors += 10
	return r
}

var (
	byRequests = status.Top{By: status.ByRequests, Users: []status.Usage{
		{Limit: "per-user", Key: "sha256:9f86d081884c", Requests: 1234.5, InFlight: 2, Refused: 40, Limited: true},
		{Limit: "per-user", Key: "10.0.0.1", Requests: 0.002},
	}}
	byTime = status.Top{By: status.ByServerTime, Users: []status.Usage{
		{Limit: "expensive", Key: "", Requests: 1.5, ServerTime: 0.75},
	}}
)

func TestTop(t *testing.T) {
	golden(t, "top.txt", Top(Compare(picture(), later(), byRequests, byTime), Style{Zone: berlin}))
	golden(t, "top-rows.txt", Top(Compare(picture(), later(), byRequests, byTime), Style{Zone: berlin, Rows: 1}))
	golden(t, "top-first.txt", Top(Compare(status.Report{}, later(), status.Top{}, status.Top{}), Style{}))
}

func TestCompareAfterARestart(t *testing.T) {
	after := later()
	after.Process.Started = after.Now.Add(-10 * time.Second)
	l := Compare(picture(), after, byRequests, byTime)
	if l.Seconds != 10 || l.Routes[0].Name != "product" || l.Routes[0].PerSecond != 110 {
		t.Errorf("over %v s: %+v", l.Seconds, l.Routes[0])
	}
}

func TestCompareCountersThatBeganAnew(t *testing.T) {
	after := later()
	after.Routes[0].Requests, after.Routes[0].Codes = 20, map[string]uint64{"200": 10, "500": 10}
	l := Compare(picture(), after, status.Top{}, status.Top{})
	if r := l.Routes[0]; r.Name != "product" || r.PerSecond != 10 || r.ServerErrors < 0 || r.ServerErrors > 1 {
		t.Errorf("%+v", r)
	}
}

func TestQuantile(t *testing.T) {
	for _, test := range []struct {
		counts []uint64
		q      float64
		want   float64
		beyond bool
	}{
		{[]uint64{0, 0, 0, 0}, 0.5, -1, false},
		{[]uint64{10, 0, 0, 0}, 0.5, 0.0025, false},
		{[]uint64{0, 10, 0, 0}, 1, 0.05, false},
		{[]uint64{5, 5, 0, 0}, 0.5, 0.005, false},
		{[]uint64{0, 0, 0, 1}, 0.5, 0.5, true},
		{[]uint64{98, 0, 0, 2}, 0.99, 0.5, true},
	} {
		value, beyond := quantile(histogram(test.counts...), test.q)
		if diff := value - test.want; diff > 1e-9 || diff < -1e-9 || beyond != test.beyond {
			t.Errorf("%v of %v is %v %v, want %v %v", test.q, test.counts, value, beyond, test.want, test.beyond)
		}
	}
	if v, _ := quantile(status.Histogram{}, 0.5); v != -1 {
		t.Error("no buckets:", v)
	}
}

func TestNumbers(t *testing.T) {
	have := []string{
		rate(0), rate(0.001), rate(1.234), rate(12.34), rate(1234.5), percent(0.0001), percent(1),
		age(-time.Second), age(59 * time.Second), age(61 * time.Second), age(61 * time.Minute), age(49 * time.Hour),
		seconds(-1), seconds(0.0126), seconds(1.25), number(-1), number(uint64(7)),
	}
	want := "|<0.01|1.23|12.3|1234|<0.1%|100.0%|0s|59s|1m1s|1h1m|2d1h||13ms|1.2s||7"
	if strings.Join(have, "|") != want {
		t.Errorf("have %s\nwant %s", strings.Join(have, "|"), want)
	}
}

func TestNothingFromOutsideReachesTheTerminal(t *testing.T) {
	text := Status(picture(), Style{})
	if strings.ContainsAny(text, "\x1b\x07\u202e") {
		t.Errorf("%q", text)
	}
}

func TestStore(t *testing.T) {
	for state, want := range map[string]string{"": "", "off": "", "up": "store: up since 11:59:00\n", "starting": "store: starting since 11:59:00\n"} {
		r := status.Report{Now: noon, Store: status.Store{State: state, Since: noon.Add(-time.Minute), Disk: "ok"}}
		if have := (Style{}).store(r); have != want {
			t.Errorf("%q: %q, want %q", state, have, want)
		}
	}
}
