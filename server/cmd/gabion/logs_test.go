package main

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
	"github.com/gabion-io/gabion/server/logs/loki"
)

// logStore is log lines in memory, under the API that the gateway has, which can be out of order, and whose tails can be
// broken.
type logStore struct {
	logql.Live
	mu      sync.Mutex
	entries []*entry.Entry
	gap     *logql.Gap // is left out of every answer
	away    atomic.Bool
	tails   atomic.Int64
	asked   atomic.Value // the query of the last request
	broken  chan struct{}
}

// Select implements [logql.Source].
func (s *logStore) Select(ctx context.Context, q logql.Query) iter.Seq2[*entry.Entry, error] {
	s.mu.Lock()
	list := slices.Clone(s.entries)
	s.mu.Unlock()
	slices.SortStableFunc(list, func(a, b *entry.Entry) int { return int(a.Time - b.Time) })
	if s.gap != nil {
		logql.LeaveOut(ctx, *s.gap)
	}
	return func(yield func(*entry.Entry, error) bool) {
		if !q.Forward {
			slices.Reverse(list)
		}
		for _, e := range list {
			if q.Match(e) && !yield(e, nil) {
				return
			}
		}
	}
}

// add adds a line that comes in now.
func (s *logStore) add(ago time.Duration, level entry.Level, service, message string, attrs ...entry.Attr) {
	e := entry.Entry{Time: time.Now().Add(-ago).UnixNano(), Level: level, Service: service, Message: message, Attrs: attrs}
	s.mu.Lock()
	s.entries = append(s.entries, &e)
	s.mu.Unlock()
	s.Publish(&e)
}

func newLogStore(t *testing.T) (s *logStore, address string) {
	t.Helper()
	s = &logStore{broken: make(chan struct{}, 1)}
	s.asked.Store("")
	s.add(30*time.Minute, entry.Info, "shop", "paid")
	s.add(20*time.Minute, entry.Error, "shop", "time out (twice)", entry.Attr{Name: "user.id", Value: "7"})
	s.add(10*time.Minute, entry.Fatal, "bank", "out of money")
	s.add(2*time.Hour, entry.Info, "bank", "long ago")
	api := loki.New(loki.Config{Source: s})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Store(r.URL.Query().Get("query"))
		if s.away.Load() {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"title":"Store away"}`))
			return
		}
		if strings.HasSuffix(r.URL.Path, "/tail") {
			s.tails.Add(1)
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			go func() {
				select {
				case <-s.broken:
					cancel()
				case <-ctx.Done():
				}
			}()
			r = r.WithContext(ctx)
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return s, server.URL
}

// messages leaves of lines of text what is behind the labels.
func messages(out string) (all []string) {
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		all = append(all, line[strings.LastIndex(line, "  ")+2:])
	}
	return all
}

func TestLogsCommand(t *testing.T) {
	s, address := newLogStore(t)
	for _, test := range []struct {
		args []string
		want []string
		ask  string
	}{
		{nil, []string{"paid", "time out (twice) user_id=7", "out of money"}, "{}"},
		{[]string{"--level", "error"}, []string{"time out (twice) user_id=7", "out of money"}, `{level=~"error|fatal"}`},
		{[]string{"--level", "WARNING", "-s", "bank"}, []string{"out of money"}, `{service="bank", level=~"warn|error|fatal"}`},
		{[]string{"--grep", "time out (", "--grep", "x"}, nil, ""},
		{[]string{"-g", "out", "-g", `\(t.*\)`}, []string{"time out (twice) user_id=7"}, `{} |= "out" |~ "\\(t.*\\)"`},
		{[]string{`{service="shop"} | line_format "{{.level}}!"`, "--grep", "paid"}, []string{"info!"}, `{service="shop"} |= "paid" | line_format "{{.level}}!"`},
		{[]string{"--since", "3h", "--until", "1h"}, []string{"long ago"}, "{}"},
		{[]string{"--limit", "2"}, []string{"time out (twice) user_id=7", "out of money"}, "{}"},
		{[]string{"--service", "none"}, nil, `{service="none"}`},
	} {
		code, out, errOut := runCommand(t, nil, append([]string{"logs", "--admin", address}, test.args...)...)
		if test.ask == "" {
			if code != exitUsage || !strings.Contains(errOut, "--grep: error parsing regexp") {
				t.Errorf("%v: %d %s", test.args, code, errOut)
			}
			continue
		}
		if code != exitOK || !slices.Equal(messages(out), test.want) || s.asked.Load() != test.ask || strings.Contains(out, "\x1b") {
			t.Errorf("%v: %d asked %s\n%s%s", test.args, code, s.asked.Load(), out, errOut)
		}
		if told := errOut != ""; told != (len(test.want) == 0 || slices.Contains(test.args, "--limit")) {
			t.Errorf("%v: %q", test.args, errOut)
		}
	}
}

// More lines than a query gives are asked for page by page; none is lost or shown twice, although many have the same time.
func TestLogsCommandPages(t *testing.T) {
	s, address := newLogStore(t)
	at := time.Now().Add(-time.Minute).UnixNano()
	for i := range 13_000 {
		s.entries = append(s.entries, &entry.Entry{Time: at + int64(i/700), Level: entry.Info, Service: "many", Message: strconv.Itoa(i / 2)})
	}
	for _, limit := range []int{4_999, 5_000, 5_001, 9_998, 12_999, 13_000, 20_000} {
		code, out, errOut := runCommand(t, nil, "logs", "--admin", address, "-s", "many", "--limit", strconv.Itoa(limit))
		have, want := messages(out), []string{}
		for i := max(0, 13_000-limit); i < 13_000; i++ {
			want = append(want, strconv.Itoa(i/2))
		}
		slices.Sort(have)
		slices.Sort(want)
		if code != exitOK || !slices.Equal(have, want) {
			t.Errorf("--limit %d: %d, %d lines\n%s", limit, code, len(have), errOut)
		}
	}
}

// What cannot be read is told once, however many pages there are, and not among the lines.
func TestLogsCommandTellsWhatIsMissing(t *testing.T) {
	s, address := newLogStore(t)
	at := time.Now().Add(-time.Minute)
	for i := range 6_000 {
		s.entries = append(s.entries, &entry.Entry{Time: at.UnixNano() + int64(i), Service: "many", Message: "line"})
	}
	s.gap = &logql.Gap{File: "short/1.parquet", From: time.Unix(0, 0), To: time.Unix(60, 0), Lines: 7}
	const told = "gabion: up to 7 lines from 1970-01-01T00:00:00.000Z to 1970-01-01T00:01:00.000Z are left out: short/1.parquet is damaged\n"
	for _, args := range [][]string{{"-s", "many", "--limit", "10000"}, {"--json"}, {"count_over_time({}[1h])"}} {
		code, out, errOut := runCommand(t, nil, append([]string{"logs", "--admin", address}, args...)...)
		if code != exitOK || strings.Count(errOut, told) != 1 || strings.Contains(out, "damaged") {
			t.Errorf("%v: %d %.200s\n%s", args, code, out, errOut)
		}
	}
}

func TestLogsCommandOfOneMoment(t *testing.T) {
	s, address := newLogStore(t)
	at := time.Now().Add(-time.Minute).UnixNano()
	for i := range 6_000 {
		s.entries = append(s.entries, &entry.Entry{Time: at, Level: entry.Info, Service: "many", Message: strconv.Itoa(i)})
	}
	s.entries = append(s.entries, &entry.Entry{Time: at - 1, Level: entry.Info, Service: "many", Message: "before"})
	code, out, errOut := runCommand(t, nil, "logs", "--admin", address, "-s", "many", "--limit", "100000")
	if have := messages(out); code != exitOK || len(have) != 5_001 || have[0] != "before" || !strings.Contains(errOut, "not all lines are shown") {
		t.Errorf("%d: %d lines\n%s", code, len(have), errOut)
	}
}

func TestLogsCommandJSON(t *testing.T) {
	_, address := newLogStore(t)
	code, out, errOut := runCommand(t, nil, "logs", "--admin", address, "--json", "--level", "error", "-s", "shop")
	var line struct {
		Time                time.Time
		Level, Service, Msg string
		Labels              map[string]string
	}
	if err := json.Unmarshal([]byte(out), &line); code != exitOK || err != nil || line.Level != "error" || line.Service != "shop" ||
		line.Msg != "time out (twice)" || len(line.Labels) != 1 || line.Labels["user_id"] != "7" || line.Time.Location() != time.UTC {
		t.Errorf("%d %v\n%s%s", code, err, out, errOut)
	}
}

func TestLogsCommandCounts(t *testing.T) {
	_, address := newLogStore(t)
	const count = `sum by (service) (count_over_time({} [1h]))`
	code, out, errOut := runCommand(t, nil, "logs", count, "--admin", address, "--since", "1m")
	if code != exitOK || !strings.Contains(out, "SERVICE") || !strings.Contains(out, "shop") || errOut != "" {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
	for _, flags := range [][]string{{"--level", "error"}, {"--service", "shop"}, {"--grep", "x"}, {"--follow"}} {
		if code, _, errOut := runCommand(t, nil, append([]string{"logs", count, "--admin", address}, flags...)...); code != exitUsage || !strings.Contains(errOut, "count") {
			t.Errorf("%v: %d %s", flags, code, errOut)
		}
	}
}

func TestLogsCommandMistakes(t *testing.T) {
	_, address := newLogStore(t)
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{`{service="shop"} |= timeout`}, exitUsage, "\n  {service=\"shop\"} |= timeout\n                      ^\n"},
		{[]string{"{}", "{}"}, exitUsage, "give one query"},
		{[]string{"--level", "loud"}, exitUsage, "trace, debug, info, warn, error, fatal"},
		{[]string{"--limit", "0"}, exitUsage, "from 1 to 1000000"},
		{[]string{"--limit", "1000001"}, exitUsage, "from 1 to 1000000"},
		{[]string{"--limit", "5001", "--follow"}, exitUsage, "at most 5000"},
		{[]string{"--follow", "--until", "1h"}, exitUsage, "leave --until out"},
		{[]string{"--since", "1h", "--until", "2h"}, exitUsage, "--since must be before --until"},
		{[]string{"--since", "soon"}, exitUsage, "90m"},
	} {
		code, out, errOut := runCommand(t, nil, append([]string{"logs", "--admin", address}, test.args...)...)
		if code != test.code || out != "" || !strings.Contains(errOut, test.want) {
			t.Errorf("%v: %d %s%s", test.args, code, out, errOut)
		}
	}
	for _, args := range [][]string{{"logs"}, {"logs", "-f"}} {
		if code, _, errOut := runCommand(t, nil, append(args, "--admin", "127.0.0.1:1")...); code != exitError || !strings.Contains(errOut, "is the gateway running") {
			t.Errorf("nobody: %d %s", code, errOut)
		}
	}
}

func TestLogsCompletion(t *testing.T) {
	_, address := newLogStore(t)
	code, out, _ := runCommand(t, nil, "__complete", "logs", "--admin", address, "--service", "s")
	if code != exitOK || out != "shop\n:4\n" {
		t.Errorf("%d %q", code, out)
	}
	if code, out, _ = runCommand(t, nil, "__complete", "logs", "--level", ""); code != exitOK || out != "trace\ndebug\ninfo\nwarn\nerror\nfatal\n:4\n" {
		t.Errorf("%d %q", code, out)
	}
}

// screen is an output that can be looked at while the command runs.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// until waits for something to be seen.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		<-tick.C
	}
}

// Following shows the last lines and then what comes in, each line once, through a store that goes away and comes back.
func TestLogsFollow(t *testing.T) {
	s, address := newLogStore(t)
	out, errOut := &screen{}, &screen{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int)
	go func() {
		p := &program{out: out, err: errOut}
		ended <- p.execute(ctx, []string{"logs", "--follow", "--admin", address, "--service", "shop", "--limit", "1"})
	}()
	shows := func(message string) func() bool {
		return func() bool { return strings.Contains(out.String(), message) }
	}
	until(t, "the last line", shows("time out"))
	s.add(0, entry.Info, "shop", "first")
	s.add(0, entry.Info, "bank", "of another service")
	until(t, "a line that came in", shows("first"))

	s.away.Store(true)
	s.broken <- struct{}{}
	until(t, "that the store is away", func() bool { return strings.Contains(errOut.String(), "trying again") })
	s.add(0, entry.Info, "shop", "meanwhile")
	s.away.Store(false)
	until(t, "what came in meanwhile", shows("meanwhile"))
	s.add(0, entry.Info, "shop", "second")
	until(t, "what came in then", shows("second"))
	cancel()
	if code := <-ended; code != exitOK {
		t.Errorf("ends with %d: %s", code, errOut.String())
	}
	if have := messages(out.String()); !slices.Equal(have, []string{"time out (twice) user_id=7", "first", "meanwhile", "second"}) {
		t.Errorf("%q\n%s", have, errOut.String())
	}
	if strings.Count(errOut.String(), "trying again") != 1 {
		t.Error(errOut.String())
	}
}

// A refusal that will not change ends the following.
func TestLogsFollowEnds(t *testing.T) {
	s, address := newLogStore(t)
	s.away.Store(true)
	if code, _, errOut := runCommand(t, nil, "logs", "-f", "--admin", address); code != exitError || !strings.Contains(errOut, "503 Store away") {
		t.Errorf("%d %s", code, errOut)
	}
}
