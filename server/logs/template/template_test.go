package template

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// line is a line of a level.
func line(service string, level entry.Level, format string, args ...any) entry.Entry {
	return entry.Entry{Time: noon.UnixNano(), Service: service, Level: level, Message: fmt.Sprintf(format, args...)}
}

// see observes one line.
func see(m *Miner, at time.Time, e entry.Entry) []Event { return m.Observe(at, []entry.Entry{e}) }

// warm makes a miner that has known the service shop for a day.
func warm(t *testing.T, o Options) *Miner {
	t.Helper()
	m := Open(o)
	if events := see(m, noon.Add(-24*time.Hour), line("shop", entry.Error, "disk 1 is full")); events != nil {
		t.Fatalf("a new service has %v", events)
	}
	return m
}

func TestANewErrorIsAnEvent(t *testing.T) {
	m := warm(t, Options{})
	lines := []entry.Entry{
		line("shop", entry.Error, "disk 2 is full"),
		line("shop", entry.Warn, "disk 3 is slow"),
		line("shop", entry.Error, "disk 3 is gone"),
		line("shop", entry.Fatal, "disk 4 is gone"),
		line("shop", entry.Error, "disk 5 is gone"),
		line("cart", entry.Error, "disk 6 is gone"), // it is being learnt
	}
	lines[2].Trace, lines[2].Instance = "4bf9", "shop-1"
	events := m.Observe(noon, lines)
	if len(events) != 2 {
		t.Fatalf("%+v", events)
	}
	want := Event{
		Time: noon.UnixNano(), Service: "shop", Instance: "shop-1", Level: entry.Error, ID: events[0].ID,
		Template: "disk <*> is gone", Message: "disk 3 is gone", Trace: "4bf9",
	}
	if events[0] != want || events[1].Level != entry.Fatal || events[1].ID == want.ID || len(want.ID) != 16 {
		t.Errorf("%+v", events)
	}
	if again := m.Observe(noon.Add(72*time.Hour), lines); again != nil {
		t.Errorf("again: %+v", again)
	}
}

func TestWhatWentWrongIsPartOfAnError(t *testing.T) {
	m := warm(t, Options{})
	for i, c := range []struct{ name, value, want string }{
		{"err", "dial tcp 10.0.0.1:80: connection refused", "request failed: dial tcp <*>: connection refused"},
		{"err", "dial tcp 10.0.0.2:80: connection refused", ""},
		{"exception.type", "TimeoutError", "request failed: TimeoutError"},
		{"user", "7", "request failed"},
	} {
		e := line("shop", entry.Error, "request failed")
		e.Attrs = []entry.Attr{{Name: "user", Value: "x"}, {Name: c.name, Value: c.value}}
		events := see(m, noon, e)
		if c.want == "" && events != nil || c.want != "" && (len(events) != 1 || events[0].Template != c.want) {
			t.Errorf("%d: %+v", i, events)
		}
	}
}

func TestAServiceIsLearnt(t *testing.T) {
	m := Open(Options{WarmUp: time.Minute})
	for i := range 60 {
		if events := see(m, noon.Add(time.Duration(i)*time.Second), line("shop", entry.Error, "%c failed", 'a'+rune(i%26))); events != nil {
			t.Fatalf("after %d s: %+v", i, events)
		}
	}
	if events := see(m, noon.Add(time.Minute), line("shop", entry.Error, "c failed")); events != nil {
		t.Errorf("it was learnt: %+v", events)
	}
	if events := see(m, noon.Add(time.Minute), line("shop", entry.Error, "all failed")); len(events) != 1 {
		t.Errorf("%+v", events)
	}
}

// TestAClockThatWasAhead does not make a service new for ever.
func TestAClockThatWasAhead(t *testing.T) {
	m := Open(Options{})
	see(m, noon.Add(365*24*time.Hour), line("shop", entry.Info, "hello"))
	see(m, noon, line("shop", entry.Info, "hello"))
	if events := see(m, noon.Add(time.Hour), line("shop", entry.Error, "all failed")); len(events) != 1 {
		t.Errorf("%+v", events)
	}
}

// TestAStormOfNewErrors is few events, and the next one says how many there were.
func TestAStormOfNewErrors(t *testing.T) {
	m := warm(t, Options{Events: 3})
	var lines []entry.Entry
	for i := range 100 {
		lines = append(lines, line("shop", entry.Error, "kind %c%c", 'a'+rune(i/26), 'a'+rune(i%26)))
	}
	if events := m.Observe(noon, lines); len(events) != 3 {
		t.Errorf("%d events", len(events))
	}
	events := see(m, noon.Add(time.Hour), line("shop", entry.Error, "another kind"))
	if len(events) != 1 || events[0].Omitted != 97 {
		t.Errorf("%+v", events)
	}
	events = see(m, noon.Add(time.Hour), line("shop", entry.Error, "yet another kind"))
	if len(events) != 1 || events[0].Omitted != 0 {
		t.Errorf("%+v", events)
	}
	if events := m.Observe(noon.Add(2*time.Hour), lines); events != nil {
		t.Errorf("they are known: %+v", events)
	}
}

func TestTooManyErrorsAreNone(t *testing.T) {
	m := warm(t, Options{Known: 20, Events: 1000})
	n := 0
	for i := range 500 {
		n += len(see(m, noon, line("shop", entry.Error, "kind %c%c", 'a'+rune(i/26), 'a'+rune(i%26))))
	}
	if n != 19 || len(m.services["shop"].known) != 20 {
		t.Errorf("%d events, %d known", n, len(m.services["shop"].known))
	}
}

// TestEvictionIsNoEvent: a template that is no longer counted is still known.
func TestEvictionIsNoEvent(t *testing.T) {
	m := warm(t, Options{Templates: 2, Events: 1000})
	first := line("shop", entry.Error, "first")
	see(m, noon, first)
	for i := range 26 {
		see(m, noon, line("shop", entry.Error, "kind %c", 'a'+rune(i)))
	}
	if n := len(m.services["shop"].templates); n != 2 || m.services["shop"].recent.Len() != 2 {
		t.Errorf("%d templates", n)
	}
	if events := see(m, noon, first); events != nil {
		t.Errorf("%+v", events)
	}
}

func TestTheTemplateThatWasNotSeenForLongestGoes(t *testing.T) {
	m := Open(Options{Templates: 2})
	for _, message := range []string{"a", "b", "a", "c", "a"} {
		see(m, noon, line("shop", entry.Warn, "%s", message))
	}
	if top := m.Top(10); len(top) != 2 || top[0].Template != "a" || top[0].Lines != 3 || top[1].Template != "c" {
		t.Errorf("%+v", top)
	}
}

// TestOthersHaveNoEvents: what is new to all of them together says nothing.
func TestOthersHaveNoEvents(t *testing.T) {
	m := Open(Options{Services: 1})
	for i, at := range []time.Time{noon, noon, noon.Add(time.Minute), noon.Add(20 * time.Minute)} {
		if events := see(m, at, line(fmt.Sprint("service", i), entry.Error, "kind %c", 'a'+rune(i))); events != nil {
			t.Errorf("%+v", events)
		}
	}
}

func TestManyServices(t *testing.T) {
	m := Open(Options{Services: 3})
	for i := range 100 {
		see(m, noon, line(fmt.Sprint("service", i), entry.Error, "failed"))
	}
	counts := func() (names []string) {
		m.Measure(func(name string, value float64, labels ...string) {
			if name == "gabion_log_lines_total" {
				names = append(names, fmt.Sprint(labels[1], "=", value))
			}
		})
		slices.Sort(names)
		return names
	}
	if got := strings.Join(counts(), " "); got != "(others)=97 service0=1 service1=1 service2=1" {
		t.Error(got)
	}
	see(m, noon.Add(30*time.Minute), line("service1", entry.Info, "still there"))
	see(m, noon.Add(30*time.Minute), line("service2", entry.Info, "still there"))
	see(m, noon.Add(59*time.Minute), line("late", entry.Info, "no room"))
	see(m, noon.Add(61*time.Minute), line("late", entry.Info, "hello"))
	if got := strings.Join(counts(), " "); got != "(others)=1 (others)=97 late=1 service1=1 service1=1 service2=1 service2=1" {
		t.Error(got)
	}
}

func TestMetrics(t *testing.T) {
	m := Open(Options{Top: 2})
	for i := range 10 {
		see(m, noon, line("shop", entry.Info, "order %d", i))
		see(m, noon, line("shop", entry.Warn, "slow %d", i))
	}
	see(m, noon, line("shop", entry.Error, "%s", strings.Repeat("ü", 400)))
	see(m, noon, line("shop", entry.Unknown, "what"))
	see(m, noon, line("cart", entry.Warn, "once"))
	span := line("shop", entry.Error, "GET /")
	span.Attrs = []entry.Attr{{Name: "kind", Value: "span"}}
	see(m, noon, span)
	access := line("cart", entry.Error, "GET / 500")
	access.Attrs = []entry.Attr{{Name: "kind", Value: "access"}}
	see(m, noon, access)
	var got []string
	m.Measure(func(name string, value float64, labels ...string) {
		if i := slices.Index(labels, "id"); i >= 0 {
			labels = labels[:i]
		}
		if len(labels) > 4 && len(labels[5]) > maxLabel {
			t.Errorf("%d bytes", len(labels[5]))
		}
		got = append(got, fmt.Sprintf("%s%s %v", strings.TrimPrefix(name, "gabion_log_"), labels, value))
	})
	slices.Sort(got)
	want := []string{
		"lines_total[service cart level error] 1", "lines_total[service cart level warn] 1", "lines_total[service shop level error] 1", "lines_total[service shop level info] 10",
		"lines_total[service shop level unknown] 1", "lines_total[service shop level warn] 10",
		"template_lines_total[service cart level warn template once] 1", "template_lines_total[service shop level warn template slow <*>] 10",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	if top := m.Top(100); len(top) != 3 || top[0].First != noon.UnixNano() || top[0].Last != noon.UnixNano() {
		t.Errorf("%+v", top)
	}
}

func TestARestartIsNoStorm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known.json")
	m := warm(t, Options{Path: path})
	see(m, noon, line("shop", entry.Error, "disk 1 is gone"))
	if err := m.Save(noon); err != nil {
		t.Fatal(err)
	}
	m = Open(Options{Path: path})
	if events := see(m, noon.Add(time.Second), line("shop", entry.Error, "disk 2 is gone")); events != nil {
		t.Errorf("%+v", events)
	}
	if events := see(m, noon.Add(time.Second), line("shop", entry.Error, "disk 2 is melting")); len(events) != 1 {
		t.Errorf("after a restart: %+v", events)
	}
	// What was not seen since is kept as long as what was.
	m = Open(Options{Path: path, Forget: 18 * time.Hour})
	see(m, noon, line("cart", entry.Info, "hello"))
	if err := m.Save(noon.Add(12 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	if m = Open(Options{Path: path}); m.services["shop"] == nil {
		t.Error("shop is forgotten")
	}
	// The twin: without the file, the same is an event for a service that is known.
	if events := see(warm(t, Options{}), noon.Add(time.Second), line("shop", entry.Error, "disk 2 is gone")); len(events) != 1 {
		t.Errorf("without a file: %+v", events)
	}
}

func TestWhatIsForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known.json")
	m := warm(t, Options{Path: path, Forget: 10 * 24 * time.Hour})
	later := noon.Add(11 * 24 * time.Hour)
	see(m, noon, line("gone", entry.Info, "hello"))
	see(m, later, line("shop", entry.Info, "hello"))
	if err := m.Save(later); err != nil {
		t.Fatal(err)
	}
	if events := see(m, later, line("shop", entry.Error, "disk 1 is full")); len(events) != 1 {
		t.Errorf("%+v", events)
	}
	if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), "gone") || !strings.Contains(string(text), "shop") {
		t.Errorf("%s %v", text, err)
	}
}

// TestAServiceWithoutErrorsIsKept: the file says that it was seen, although nothing else has changed.
func TestAServiceWithoutErrorsIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known.json")
	m := Open(Options{Path: path, Forget: 2 * 24 * time.Hour})
	at := noon
	for range 5 {
		see(m, at, line("shop", entry.Info, "hello"))
		if err := m.Save(at); err != nil {
			t.Fatal(err)
		}
		at = at.Add(24 * time.Hour)
	}
	m = Open(Options{Path: path, Forget: 2 * 24 * time.Hour})
	see(m, at, line("cart", entry.Info, "hello"))
	if err := m.Save(at); err != nil {
		t.Fatal(err)
	}
	if events := see(m, at, line("shop", entry.Error, "failed")); len(events) != 1 {
		t.Errorf("it is learnt again: %v", events)
	}
}

func TestADamagedFile(t *testing.T) {
	for _, text := range []string{"", "{", `{"version":2}`, `{"version":1,"services":{"shop":{"known":{"xyz":1}}}}`} {
		var log bytes.Buffer
		path := filepath.Join(t.TempDir(), "known.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m := Open(Options{Path: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if events := see(m, noon, line("shop", entry.Error, "failed")); events != nil {
			t.Errorf("%q: %v", text, events)
		}
		if err := m.Save(noon); err != nil {
			t.Error(err)
		}
		kept, err := os.ReadFile(path + ".bad")
		if err != nil || string(kept) != text || !strings.Contains(log.String(), "learnt again") {
			t.Errorf("%q: %q %v %s", text, kept, err, log.String())
		}
		if again := Open(Options{Path: path}); len(again.services) != 1 {
			t.Errorf("%q: %d services", text, len(again.services))
		}
	}
}

func TestRunSaves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "known.json")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m := Open(Options{Path: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
		m.Observe(time.Now(), []entry.Entry{line("shop", entry.Error, "failed")})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var ended sync.WaitGroup
		ended.Go(func() { m.Run(ctx) })
		time.Sleep(5 * time.Minute) // there is no folder
		synctest.Wait()
		if strings.Count(log.String(), "\n") != 1 {
			t.Error(log.String())
		}
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(Open(Options{Path: path}).services) != 1 {
			t.Error("nothing was saved")
		}
		m.Observe(time.Now(), []entry.Entry{line("cart", entry.Error, "failed")})
		cancel()
		ended.Wait()
		if len(Open(Options{Path: path}).services) != 2 {
			t.Error("the end was not saved")
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"services":{"shop":{"since":1,"last":2,"known":{"ff":3}}}}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		m := Open(Options{Services: 10, Known: 10})
		if m.decode(text) == nil {
			see(m, noon, line("shop", entry.Error, "failed"))
		}
	})
}

func TestTheKnownPathAllocatesNothing(t *testing.T) {
	m := Open(Options{})
	lines := []entry.Entry{
		line("shop", entry.Error, "dial tcp 10.0.0.1:5432: connect: connection refused"), line("shop", entry.Info, "order 12 placed"),
		line("cart", entry.Warn, "user \"x\" is slow: 12.5ms"),
	}
	m.Observe(noon, lines)
	if n := testing.AllocsPerRun(100, func() { m.Observe(noon, lines) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	for name, level := range map[string]entry.Level{"info": entry.Info, "error": entry.Error} {
		b.Run(name, func(b *testing.B) {
			m := Open(Options{})
			lines := make([]entry.Entry, 100)
			for i := range lines {
				lines[i] = line(fmt.Sprint("service", i/10), level, "dial tcp 10.0.0.%d:5432: connect: connection refused", i)
			}
			b.ReportAllocs()
			for b.Loop() {
				m.Observe(noon, lines)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(lines)), "ns/line")
		})
	}
}
