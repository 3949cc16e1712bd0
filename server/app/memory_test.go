package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/app"
	"github.com/gabion-io/gabion/server/status"
	"github.com/gabion-io/gabion/server/supervise"
)

// quick is a store process that is watched closely.
func quick() *supervise.Config {
	return &supervise.Config{CheckEvery: 50 * time.Millisecond, BackoffMax: 500 * time.Millisecond}
}

// kept is a running process with a store. more is added to the configuration.
func kept(t *testing.T, how *supervise.Config, more string) *process {
	t.Helper()
	p := prepare(t, hello)
	p.again(t, how, more)
	t.Cleanup(func() { p.Stop() }) // of what runs by then
	return p
}

// again takes the place of an App that has stopped, or was never started.
func (p *process) again(t *testing.T, how *supervise.Config, more string) {
	t.Helper()
	if !strings.Contains(more, "data:") {
		more += "data: " + strconv.Quote(filepath.Join(filepath.Dir(p.path), "data")) + "\n"
	}
	p.write(t, p.text("/product/", more))
	a, err := app.New(app.Options{
		Path: p.path, Version: "1.2.3", Access: io.Discard, Log: p.log, Store: how, PageAfter: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Stop()
	if p.App = a; a.Start() != nil {
		t.Fatal("it does not start")
	}
}

func (p *process) report(t *testing.T) (r status.Report) {
	t.Helper()
	if err := json.Unmarshal([]byte(get(t, "http://"+p.admin+"/api/v1/status")), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func (p *process) up(t *testing.T) {
	t.Helper()
	until(t, "the store is up", func() bool { return p.report(t).Store.State == status.StoreUp })
}

// query asks for an expression; what it finds is JSON.
func (p *process) query(t *testing.T, expr string) string {
	t.Helper()
	return get(t, "http://"+p.admin+"/prometheus/api/v1/query?query="+url.QueryEscape(expr))
}

func TestTheGatewaysMetricsAreKept(t *testing.T) {
	p := kept(t, quick(), "")
	p.up(t)
	until(t, "the metrics are there", func() bool {
		return strings.Contains(p.query(t, `gabion_build_info{job="gabion"}`), `"version":"1.2.3"`)
	})
	until(t, "it is said to be up", func() bool {
		return strings.Contains(p.query(t, `up{job="gabion",instance!=""}`), `"1"]`) && strings.Contains(p.query(t, `up{job="gabion-store",instance!=""}`), `"1"]`)
	})
	if strings.Contains(get(t, "http://"+p.admin+"/metrics"), "\nup ") {
		t.Error("who scrapes the gateway is given another up than its own")
	}
	answer, err := http.Post("http://"+p.admin+"/api/v1/metrics?service=shop", "text/plain", strings.NewReader("orders_total 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if got := p.query(t, "orders_total"); answer.StatusCode != http.StatusOK || !strings.Contains(got, `"7"`) {
		t.Errorf("%d %s", answer.StatusCode, got)
	}
	if got := p.status(t, "http://"+p.admin+"/-/status"); got != http.StatusNotFound {
		t.Errorf("what is between the processes: %d", got)
	}
	shows(t, "http://"+p.admin+"/metrics", "gabion_store_up 1", "gabion_store_restarts_total 0", `gabion_store_disk_state{state="full"} 0`, `gabion_store_feed_dropped_total{feed="metrics"} 0`)

	// What was counted until the end is kept, and there at the next start.
	for range 3 {
		p.serves(t, "/product/7")
	}
	p.again(t, quick(), "")
	p.up(t)
	until(t, "the last counts are there", func() bool {
		return strings.Contains(p.query(t, `max_over_time(gabion_http_requests_total{route="r",code="200"}[10m])`), `"3"]`)
	})
}

// TestTheGatewaysLinesAreKept: of every request, and of what happened, also at the next start.
func TestTheGatewaysLinesAreKept(t *testing.T) {
	p := kept(t, quick(), "")
	p.up(t)
	p.serves(t, "/product/last-words")
	lines := func(query string) string {
		return get(t, "http://"+p.admin+"/loki/api/v1/query_range?query="+url.QueryEscape(query))
	}
	for _, when := range []string{"now", "after the next start"} {
		until(t, "the request is there "+when, func() bool { return strings.Contains(lines(`{service="catalog"}`), "/product/last-words") })
		until(t, "what happened is there "+when, func() bool { return strings.Contains(lines(`{service="gabion"}`), "lifecycle") })
		until(t, "what the store said is there "+when, func() bool {
			return strings.Contains(lines(`{service="gabion"} | process="store"`), "the store is open")
		})
		p.again(t, quick(), "")
		p.up(t)
	}
	answer, err := http.Post("http://"+p.admin+"/api/v1/logs", "application/x-ndjson", strings.NewReader(`{"service":"shop","level":"error","msg":"boom"}`))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if got := lines(`{service="shop"}`); answer.StatusCode != http.StatusOK || !strings.Contains(got, "boom") {
		t.Errorf("%d %s", answer.StatusCode, got)
	}
}

// TestAStoreThatIsKilled: no request fails, and it comes back with what it had.
func TestAStoreThatIsKilled(t *testing.T) {
	p := kept(t, quick(), "")
	p.up(t)
	until(t, "the metrics are there", func() bool { return strings.Contains(p.query(t, "gabion_build_info"), "1.2.3") })
	ctx, stop := context.WithCancel(t.Context())
	var served, failed atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if p.serves(t, "/product/7") == http.StatusOK {
				served.Add(1)
			} else {
				failed.Add(1)
			}
		}
	}()
	for range 3 {
		before := p.report(t).Store
		victim, err := os.FindProcess(before.PID)
		if err != nil || before.PID == 0 {
			t.Fatal(before, err)
		}
		if err := victim.Kill(); err != nil {
			t.Fatal(err)
		}
		until(t, "it is up again", func() bool {
			now := p.report(t).Store
			return now.State == status.StoreUp && now.Restarts > before.Restarts
		})
	}
	if got := p.query(t, "count_over_time(gabion_build_info[10m])"); !strings.Contains(got, "1.2.3") {
		t.Errorf("what was kept is gone: %s", got)
	}
	stop()
	<-done
	if failed.Load() > 0 || served.Load() == 0 {
		t.Errorf("%d requests failed, %d were served", failed.Load(), served.Load())
	}
	if log := p.log.String(); !strings.Contains(log, `"kind":"store","to":"down"`) {
		t.Errorf("no event: %s", log)
	}
}

func TestAStoreWithOtherSettings(t *testing.T) {
	p := kept(t, quick(), "")
	p.up(t)
	until(t, "the metrics are there", func() bool { return strings.Contains(p.query(t, "gabion_build_info"), "1.2.3") })
	before := p.report(t).Store
	data := "data: " + strconv.Quote(filepath.Join(filepath.Dir(p.path), "data")) + "\n"
	p.write(t, p.text("/product/", data+"metrics: {raw: {keep: 3d}}\n"))
	if err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	until(t, "another one is up", func() bool {
		now := p.report(t).Store
		return now.State == status.StoreUp && now.PID != before.PID
	})
	if got := p.query(t, "count_over_time(gabion_build_info[10m])"); !strings.Contains(got, "1.2.3") {
		t.Errorf("what was kept is gone: %s", got)
	}
	same := p.report(t).Store.PID
	p.write(t, p.text("/item/", data+"metrics: {raw: {keep: 3d}}\n"))
	if err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	if now := p.report(t).Store; now.PID != same {
		t.Error("it was started again for nothing")
	}
	for other, want := range map[string]string{
		"data: off\n": "restart", "data: ./elsewhere\n": "restart",
		data + "logs: {forward: [{url: \"http://127.0.0.1:1\", token: {file: /nonexistent}}]}\n": "logs.forward[0].token",
	} {
		p.write(t, p.text("/product/", other))
		if err := p.Reload(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s came into force: %v", other, err)
		}
	}
}

func TestNoStore(t *testing.T) {
	p := kept(t, quick(), "data: off\n")
	if got := p.report(t).Store; got.State != status.StoreOff || got.PID != 0 {
		t.Errorf("%+v", got)
	}
	if got := p.status(t, "http://"+p.admin+"/prometheus/api/v1/query?query=1"); got != http.StatusNotFound {
		t.Errorf("a query: %d", got)
	}
	if got := p.serves(t, "/product/7"); got != http.StatusOK {
		t.Errorf("a request: %d", got)
	}
}

// TestAStoreThatCannotStart: the gateway serves all the same, and who is to be told is told.
func TestAStoreThatCannotStart(t *testing.T) {
	pages := make(chan string, 8)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		pages <- string(body) + errText(err)
	}))
	t.Cleanup(hook.Close)
	alerts := "alerts: {receivers: {ops: {webhook: {url: \"" + hook.URL + "\"}}}, route: {receiver: ops}}\n"
	for name, test := range map[string]struct {
		how          *supervise.Config
		data, reason string
	}{
		"no program": {&supervise.Config{Path: "/nonexistent/gabion", BackoffMax: 100 * time.Millisecond}, "", "no such file"},
		"no room":    {quick(), "data: /dev/null/data\n", "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			p := kept(t, test.how, test.data+alerts)
			until(t, "it is said why", func() bool {
				return strings.Contains(strings.ToLower(p.report(t).Store.Reason), test.reason)
			})
			if got := p.serves(t, "/product/7"); got != http.StatusOK {
				t.Errorf("a request: %d", got)
			}
			if got := p.status(t, "http://"+p.admin+"/prometheus/api/v1/query?query=1"); got != http.StatusServiceUnavailable {
				t.Errorf("a query: %d", got)
			}
			shows(t, "http://"+p.admin+"/metrics", "gabion_store_up 0")
			select {
			case page := <-pages:
				if !strings.Contains(page, `"alert":"StoreDown"`) || !strings.Contains(page, `"status":"firing"`) {
					t.Error(page)
				}
			case <-time.After(time.Minute):
				t.Error("nobody is told")
			}
		})
	}
}

func errText(err error) string {
	if err == nil || errors.Is(err, io.EOF) {
		return ""
	}
	return err.Error()
}

// TestHowMuchIsTakenCanChange: who needs more than the default says so, while it runs.
func TestHowMuchIsTakenCanChange(t *testing.T) {
	p := kept(t, quick(), "ingest: {per_service: {lines: 60/m}}\n")
	p.up(t)
	send := func() string {
		body := strings.Repeat(`{"service":"shop","msg":"x"}`+"\n", 100)
		answer, err := http.Post("http://"+p.admin+"/api/v1/logs", "application/x-ndjson", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return get(t, "http://"+p.admin+"/api/v1/logs/ways")
	}
	if got := send(); !strings.Contains(got, `"quota"`) {
		t.Error("100 lines are taken at once, where there may be ten:", got)
	}
	before := p.report(t).Store.PID
	data := "data: " + strconv.Quote(filepath.Join(filepath.Dir(p.path), "data")) + "\n"
	p.write(t, p.text("/product/", data+"ingest: {per_service: {lines: 600/m}}\n"))
	if err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	until(t, "another one is up", func() bool {
		now := p.report(t).Store
		return now.State == status.StoreUp && now.PID != before
	})
	if got := send(); strings.Contains(got, `"quota"`) {
		t.Error("100 lines are not taken, where there may be 100 at once:", got)
	}
}
