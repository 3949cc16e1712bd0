package supervise

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

func TestOutage(t *testing.T) {
	const s = time.Second
	type step struct {
		at   time.Duration
		up   bool
		want bool
	}
	for name, steps := range map[string][]step{
		"short":             {{1 * s, true, false}, {50 * s, false, false}, {109 * s, false, false}, {110 * s, true, false}, {500 * s, true, false}},
		"long":              {{1 * s, false, false}, {60 * s, false, false}, {61 * s, false, true}, {90 * s, true, true}, {99 * s, true, true}, {100 * s, true, false}},
		"crash loop":        {{1 * s, false, false}, {30 * s, true, false}, {35 * s, false, false}, {60 * s, true, false}, {61 * s, false, true}, {62 * s, true, true}, {70 * s, false, true}},
		"two short ones":    {{1 * s, false, false}, {40 * s, true, false}, {50 * s, true, false}, {51 * s, false, false}, {110 * s, false, false}, {111 * s, false, true}},
		"down after up":     {{1 * s, false, false}, {61 * s, false, true}, {70 * s, true, true}, {79 * s, false, true}, {80 * s, true, true}, {90 * s, true, false}, {91 * s, false, false}},
		"up from the start": {{1 * s, true, false}, {1000 * s, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			o := outage{after: 60 * s, well: 10 * s}
			for _, step := range steps {
				if got := o.see(step.up, step.at); got != step.want {
					t.Errorf("at %v: %v", step.at, got)
				}
			}
		})
	}
}

// webhook is where pages go to.
type webhook struct {
	mu     sync.Mutex
	status int // 0: no answer
	pages  []Page
	times  []gabion.Instant
	tries  int
}

func (h *webhook) answer(r *http.Request) *http.Response {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tries++
	if h.status == 0 {
		return nil
	}
	if h.status == http.StatusOK {
		var p Page
		body, err := io.ReadAll(r.Body)
		if err = errors.Join(err, json.Unmarshal(body, &p)); err != nil {
			panic(err)
		}
		h.pages = append(h.pages, p)
		h.times = append(h.times, gabion.Now())
	}
	w := httptest.NewRecorder()
	w.WriteHeader(h.status)
	return w.Result()
}

func (h *webhook) set(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// heard is the status of each page.
func (h *webhook) heard() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for _, p := range h.pages {
		b.WriteString(p.Status + " ")
	}
	return strings.TrimSpace(b.String())
}

// pagerBundle is a pager whose child is what the test says.
type pagerBundle struct {
	webhook
	log bytes.Buffer
	mu  sync.Mutex
	is  Status
}

const secretURL = "https://hooks.example/T0/s3cr3t"

func pageTest(t *testing.T, change func(*PagerConfig), test func(t *testing.T, b *pagerBundle)) {
	synctest.Test(t, func(t *testing.T) {
		b := &pagerBundle{webhook: webhook{status: http.StatusOK}, is: Status{State: Up}}
		cfg := PagerConfig{
			URL: func() (string, error) { return secretURL, nil }, Host: "here", Client: &http.Client{Transport: answers(b.answer)},
			Log: slog.New(slog.NewTextHandler(&b.log, nil)),
		}
		if change != nil {
			change(&cfg)
		}
		p := newPager(cfg, func() Status { b.mu.Lock(); defer b.mu.Unlock(); return b.is })
		go p.run(t.Context())
		test(t, b)
		if strings.Contains(b.log.String(), "s3cr3t") {
			t.Errorf("the address of the webhook is in the log: %s", &b.log)
		}
	})
}

// pass lets the child be in a state for a time.
func (b *pagerBundle) pass(state State, d time.Duration) {
	b.mu.Lock()
	b.is.State, b.is.Reason = state, "signal: killed"
	b.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
}

func TestPages(t *testing.T) {
	pageTest(t, nil, func(t *testing.T, b *pagerBundle) {
		b.pass(Up, time.Hour)
		b.pass(Down, 110*time.Second)
		b.pass(Up, time.Hour)
		if got := b.heard(); got != "" {
			t.Errorf("a short outage: %s", got)
		}
		began := time.Now()
		b.pass(Down, 110*time.Second)
		b.pass(Restarting, 20*time.Second)
		if got := b.heard(); got != "firing" {
			t.Fatal(got)
		}
		b.pass(Down, 10*time.Hour)
		b.pass(Up, 20*time.Second)
		if got := b.heard(); got != "firing" {
			t.Errorf("it is not back for long: %s", got)
		}
		b.pass(Up, 20*time.Second)
		if got := b.heard(); got != "firing resolved" {
			t.Error(got)
		}
		for _, p := range b.pages {
			if p.Alert != "StoreDown" || p.Host != "here" || p.Reason != "signal: killed" || p.Since.Sub(began).Abs() > 2*time.Second || p.Since.Location() != time.UTC {
				t.Errorf("%+v, began %v", p, began)
			}
		}
		if !strings.Contains(b.pages[0].Text, "has been down for 2m0s. Requests are served") {
			t.Error(b.pages[0].Text)
		}
	})
}

func TestPagingIsTriedAgain(t *testing.T) {
	for _, status := range []int{0, http.StatusInternalServerError, http.StatusNotFound, http.StatusFound} {
		pageTest(t, nil, func(t *testing.T, b *pagerBundle) {
			b.set(status)
			b.pass(Down, time.Hour)
			if b.tries < 30 || b.tries > 300 || b.heard() != "" {
				t.Errorf("%d tries in an hour, %s", b.tries, b.heard())
			}
			b.set(http.StatusOK)
			b.pass(Down, 2*time.Minute)
			if b.heard() != "firing" {
				t.Error(b.heard())
			}
			if !strings.Contains(b.log.String(), "paging failed") {
				t.Error(b.log.String())
			}
		})
	}
}

func TestWhatWasNotToldIsNotResolved(t *testing.T) {
	pageTest(t, nil, func(t *testing.T, b *pagerBundle) {
		b.set(http.StatusInternalServerError)
		b.pass(Down, time.Hour)
		b.pass(Up, time.Hour)
		b.set(http.StatusOK)
		b.pass(Up, time.Hour)
		if b.heard() != "" {
			t.Error(b.heard())
		}
		b.pass(Down, time.Hour)
		b.set(http.StatusInternalServerError)
		b.pass(Up, time.Hour) // the end cannot be told,
		b.set(http.StatusOK)
		b.pass(Down, time.Hour) // and it is down again
		if b.heard() != "firing" && b.heard() != "firing resolved firing" {
			t.Error(b.heard())
		}
	})
}

func TestNoPageWhenToldToStop(t *testing.T) {
	pageTest(t, nil, func(t *testing.T, b *pagerBundle) {
		b.pass(Stopped, time.Hour)
		if b.tries != 0 {
			t.Error(b.heard())
		}
	})
}

func TestAWebhookWithoutAddress(t *testing.T) {
	calls := 0
	pageTest(t, func(cfg *PagerConfig) {
		cfg.URL = func() (string, error) {
			if calls++; calls == 1 {
				return "", fmt.Errorf("no such file: %w", errFails)
			}
			return "http://s3cr3t\x00", nil
		}
	}, func(t *testing.T, b *pagerBundle) {
		b.pass(Down, time.Hour)
		if text := b.log.String(); !strings.Contains(text, "reading the address of the webhook: no such file") || !strings.Contains(text, "is not a URL") {
			t.Error(text)
		}
	})
}

func TestLastWords(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for name, c := range map[string]struct {
		writes []string
		want   string
	}{
		"nothing":      {nil, ""},
		"last line":    {[]string{"one\ntwo\n\n"}, "two"},
		"in pieces":    {[]string{"on", "e\nt", "wo"}, "two"},
		"panic":        {[]string{"log\npanic: full disk\n\ngoroutine 1 [running]:\nmain.main()\n"}, "panic: full disk"},
		"first panic":  {[]string{"panic: one\npanic: two\n"}, "panic: one"},
		"fatal error":  {[]string{"fatal error: out of memory\r\nmore\n"}, "fatal error: out of memory"},
		"a long line":  {[]string{long, long, "\n"}, long[:maxWords]},
		"without end":  {[]string{"a\n", long}, long[:maxWords]},
		"only a space": {[]string{"a\n  \n"}, "a"},
		"log":          {[]string{"gabion: no room\n" + `{"level":"INFO","msg":"closed"}` + "\n"}, "gabion: no room"},
		"log of error": {[]string{`{"level":"ERROR","msg":"no room"}` + "\n" + `{"level":"WARN"}` + "\n"}, `{"level":"ERROR","msg":"no room"}`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			w := &lastWords{to: &out}
			for _, text := range c.writes {
				if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
					t.Errorf("%d %v", n, err)
				}
			}
			if got := w.last(); got != c.want || out.String() != strings.Join(c.writes, "") {
				t.Errorf("%q, passed on %q", got, out.String())
			}
		})
	}
}
