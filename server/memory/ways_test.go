package memory_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gabion-io/gabion/server/logs/own"
	"github.com/gabion-io/gabion/server/memory"
	"github.com/gabion-io/gabion/server/store"
	"github.com/gabion-io/gabion/server/store/disk"
	"github.com/gabion-io/gabion/server/store/frame"
)

// child is a store that runs in the process of the test, behind its socket.
type child struct {
	t      *testing.T
	dir    string
	parent *io.PipeWriter
	client *http.Client
	ended  chan error
}

// begin runs a store over a directory, until the test ends or it is told to end.
func begin(t *testing.T, dir string, settings memory.Settings) *child {
	t.Helper()
	return beginOn(t, dir, disk.Config{Ballast: disk.NoBallast, Low: 2, Full: 1}, settings)
}

// beginOn is begin on a disk that is guarded in another way.
func beginOn(t *testing.T, dir string, guard disk.Config, settings memory.Settings) *child {
	t.Helper()
	socket, err := store.SocketPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	in, parent := io.Pipe()
	c := &child{t: t, dir: dir, parent: parent, ended: make(chan error, 1)}
	c.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	parts, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c.ended <- store.Run(context.Background(), store.Config{In: in, Parts: memory.Parts})
	}()
	t.Cleanup(func() { c.end() })
	if err := json.NewEncoder(parent).Encode(store.Settings{
		Dir: dir, Instance: "it", Parts: parts, Disk: guard,
	}); err != nil {
		t.Fatal(err)
	}
	c.until("it is ready", func() bool { code, _ := c.do(http.MethodGet, "/readyz", "", ""); return code == http.StatusOK })
	return c
}

// end lets the parent go away, and waits until the store has ended.
func (c *child) end() {
	c.t.Helper()
	if c.parent == nil {
		return
	}
	c.client.CloseIdleConnections()
	c.parent.Close()
	c.parent = nil
	select {
	case err := <-c.ended:
		if err != nil {
			c.t.Error(err)
		}
	case <-time.After(30 * time.Second):
		c.t.Error("the store does not end")
	}
}

func (c *child) until(what string, ok func() bool) {
	c.t.Helper()
	for late := time.After(30 * time.Second); !ok(); {
		select {
		case <-late:
			c.t.Fatal("not in time: " + what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// do sends a request. A status of 0 says that there was no answer.
func (c *child) do(method, path, kind, body string) (int, string) {
	r, err := http.NewRequestWithContext(c.t.Context(), method, "http://store"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("X-Forwarded-For", "192.0.2.7")
	answer, err := c.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(text)
}

// find is the text of the lines that a query finds, newest first.
func (c *child) find(query string) (lines []string) {
	c.t.Helper()
	now := time.Now()
	code, body := c.do(http.MethodGet, "/loki/api/v1/query_range?"+url.Values{
		"query": {query}, "limit": {"1000"}, "start": {fmt.Sprint(now.Add(-24 * time.Hour).UnixNano())}, "end": {fmt.Sprint(now.Add(time.Minute).UnixNano())},
	}.Encode(), "", "")
	var answer struct {
		Data struct {
			Result []struct{ Values [][]any }
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || code != http.StatusOK {
		c.t.Fatalf("%s: %d %s", query, code, body)
	}
	for _, stream := range answer.Data.Result {
		for _, v := range stream.Values {
			lines = append(lines, v[1].(string))
		}
	}
	return lines
}

// feed sends items as the gateway does, the first ones of their kind.
func (c *child) feed(kind string, items ...string) int {
	c.t.Helper()
	var body []byte
	for _, item := range items {
		body = frame.Append(body, kind, []byte(item))
	}
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "http://store"+frame.Path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set(frame.Sender, kind)
	r.Header.Set(frame.First, "0")
	answer, err := c.client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// ways is what the store says about its ways in.
type ways struct {
	Ways []struct {
		Way, Address, Error string
		Open                bool
		Failures            int
	}
	Limited []struct {
		Service, Reason string
		Lines           int
	}
}

func (c *child) ways() (w ways) {
	c.t.Helper()
	code, body := c.do(http.MethodGet, "/api/v1/logs/ways", "", "")
	if err := json.Unmarshal([]byte(body), &w); err != nil || code != http.StatusOK {
		c.t.Fatalf("%d %s", code, body)
	}
	return w
}

// address is where a way is open.
func (c *child) address(way string) (at string) {
	c.t.Helper()
	c.until(way+" is open", func() bool {
		for _, w := range c.ways().Ways {
			if w.Way == way && w.Open {
				at = w.Address
			}
		}
		return at != ""
	})
	return at
}

// write writes to an address.
func (c *child) write(network, address, text string) {
	c.t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// post sends a body and expects an answer.
func (c *child) post(path, kind, body string, want int) {
	c.t.Helper()
	if code, text := c.do(http.MethodPost, path, kind, body); code != want {
		c.t.Errorf("%s: %d %s", path, code, text)
	}
}

// everyWay are all ways in, by the word that their line has.
var everyWay = map[string]func(c *child, now time.Time){
	"by-json-lines": func(c *child, now time.Time) {
		c.post("/api/v1/logs", "", fmt.Sprintf(`{"time":%d,"service":"shop","level":"warn","msg":"by-json-lines"}`, now.UnixNano()), http.StatusOK)
	},
	"by-loki-push": func(c *child, now time.Time) {
		c.post("/loki/api/v1/push", "application/json", fmt.Sprintf(`{"streams":[{"stream":{"service_name":"shop"},"values":[["%d","by-loki-push"]]}]}`, now.UnixNano()), http.StatusNoContent)
	},
	"by-bulk": func(c *child, _ time.Time) {
		c.post("/elasticsearch/shop/_bulk", "application/x-ndjson", "{\"create\":{}}\n{\"msg\":\"by-bulk\"}\n", http.StatusOK)
	},
	"by-otlp-http": func(c *child, now time.Time) {
		c.post("/v1/logs", "application/json", fmt.Sprintf(`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},`+
			`"scopeLogs":[{"logRecords":[{"timeUnixNano":"%d","body":{"stringValue":"by-otlp-http"}}]}]}]}`, now.UnixNano()), http.StatusOK)
	},
	"by-otlp-span": func(c *child, now time.Time) {
		c.post("/v1/traces", "application/json", fmt.Sprintf(`{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},`+
			`"scopeSpans":[{"spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","name":"by-otlp-span","startTimeUnixNano":"%d","endTimeUnixNano":"%d","status":{"code":2}}]}]}]}`,
			now.UnixNano()-1e6, now.UnixNano()), http.StatusOK)
	},
	"by-otlp-grpc": func(c *child, now time.Time) {
		conn, err := grpc.NewClient(c.address("otlp_grpc"), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			c.t.Fatal(err)
		}
		defer conn.Close()
		logs := plog.NewLogs()
		resource := logs.ResourceLogs().AppendEmpty()
		resource.Resource().Attributes().PutStr("service.name", "shop")
		record := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		record.SetTimestamp(pcommon.NewTimestampFromTime(now))
		record.Body().SetStr("by-otlp-grpc")
		if _, err := plogotlp.NewGRPCClient(conn).Export(c.t.Context(), plogotlp.NewExportRequestFromLogs(logs)); err != nil {
			c.t.Error(err)
		}
	},
	"by-syslog-udp": func(c *child, now time.Time) {
		c.write("udp", c.address("syslog_udp"), "<12>1 "+now.UTC().Format(time.RFC3339Nano)+" host shop 7 - - by-syslog-udp")
	},
	"by-syslog-tcp": func(c *child, now time.Time) {
		c.write("tcp", c.address("syslog_tcp"), "<12>1 "+now.UTC().Format(time.RFC3339Nano)+" host shop 7 - - by-syslog-tcp\n")
	},
	"by-file": func(c *child, _ time.Time) {
		c.address("files")
		if err := os.WriteFile(filepath.Join(c.dir, "shop.log"), []byte("by-file\n"), 0o600); err != nil {
			c.t.Fatal(err)
		}
	},
	"by-access-log": func(c *child, now time.Time) {
		line := `{"time":"` + now.UTC().Format(time.RFC3339Nano) + `","route":"product","service":"shop","method":"GET","path":"/by-access-log","status":503,"duration_ms":1.000}` + "\n"
		if code := c.feed(own.Access, line); code != http.StatusNoContent {
			c.t.Errorf("the feed: %d", code)
		}
	},
	"by-process-log": func(c *child, now time.Time) {
		line := `{"time":"` + now.UTC().Format(time.RFC3339Nano) + `","level":"INFO","msg":"by-process-log","service":"shop"}` + "\n"
		if code := c.feed(own.Process, line); code != http.StatusNoContent {
			c.t.Errorf("the feed: %d", code)
		}
	},
}

func all(dir string) memory.Settings {
	const free = "127.0.0.1:0"
	return memory.Settings{Ingest: memory.Ingest{OTLP: free, SyslogUDP: free, SyslogTCP: free, Files: []string{filepath.Join(dir, "*.log")}}}
}

func TestWhatComesInIsFoundAndKept(t *testing.T) {
	dir := t.TempDir()
	c := begin(t, dir, all(dir))
	for _, send := range everyWay {
		send(c, time.Now())
	}
	found := func() {
		t.Helper()
		for word := range everyWay {
			c.until(word+" is found", func() bool { return len(c.find(`{service="shop"} |= "`+word+`"`)) > 0 })
			if lines := c.find(`{service="shop"} |= "` + word + `"`); len(lines) != 1 {
				t.Errorf("%s is found %d times: %q", word, len(lines), lines)
			}
		}
		if lines := c.find(`{service="shop", level="error", handler="product"} | kind="access" | status >= 500`); len(lines) != 1 {
			t.Errorf("the access log: %q", lines)
		}
	}
	found()
	if code, body := c.do(http.MethodGet, "/api/v1/traces/4bf92f3577b34da6a3ce929d0e0e4736", "", ""); code != http.StatusOK || !strings.Contains(body, "by-otlp-span") {
		t.Errorf("the trace: %d %s", code, body)
	}
	c.end()
	c = begin(t, dir, all(dir))
	found()
}

func TestAnAddressThatIsTakenStopsNothingElse(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := begin(t, dir, memory.Settings{Ingest: memory.Ingest{OTLP: taken.Addr().String(), SyslogTCP: "127.0.0.1:0"}})
	c.address("syslog_tcp")
	c.until("the failure is told", func() bool {
		w := c.ways().Ways[0]
		return w.Way == "otlp_grpc" && !w.Open && w.Failures > 0 && strings.Contains(w.Error, "address already in use")
	})
	taken.Close()
	everyWay["by-otlp-grpc"](c, time.Now())
	c.until("the line is found", func() bool { return len(c.find(`{service="shop"}`)) == 1 })
}

func TestAPositionFileThatIsDamaged(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "files.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := begin(t, dir, memory.Settings{Ingest: memory.Ingest{Files: []string{filepath.Join(dir, "*.log")}}})
	c.until("the failure is told", func() bool { w := c.ways().Ways[0]; return !w.Open && strings.Contains(w.Error, "remove the file") })
	if err := os.Remove(filepath.Join(dir, "files.json")); err != nil {
		t.Fatal(err)
	}
	everyWay["by-file"](c, time.Now())
	c.until("the line is found", func() bool { return len(c.find(`{service="shop"}`)) == 1 })
}

func TestWhatIsOverQuotaIsCounted(t *testing.T) {
	c := begin(t, t.TempDir(), memory.Settings{})
	body := strings.Repeat(`{"service":"loud","level":"debug","msg":"x"}`+"\n", 30_000) + `{"service":"loud","level":"error","msg":"y"}`
	c.post("/api/v1/logs", "", body, http.StatusOK)
	limited := c.ways().Limited
	if len(limited) != 1 || limited[0].Service != "loud" || limited[0].Reason != "debug_over_quota" || limited[0].Lines < 1000 || limited[0].Lines > 6000 {
		t.Errorf("%+v", limited)
	}
	if lines := c.find(`{service="loud", level="error"}`); len(lines) != 1 {
		t.Errorf("%d lines that matter are kept", len(lines))
	}
}

func TestMetricsOverOTLP(t *testing.T) {
	c := begin(t, t.TempDir(), memory.Settings{})
	c.post("/v1/metrics", "application/json", fmt.Sprintf(`{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},`+
		`"scopeMetrics":[{"metrics":[{"name":"orders","gauge":{"dataPoints":[{"timeUnixNano":"%d","asDouble":7}]}}]}]}]}`, time.Now().UnixNano()), http.StatusOK)
	if code, body := c.do(http.MethodGet, "/prometheus/api/v1/query?query=orders", "", ""); code != http.StatusOK || !strings.Contains(body, `"7"]`) {
		t.Errorf("%d %s", code, body)
	}
}

func TestWhatComesInIsSentOn(t *testing.T) {
	got := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- r.URL.Path + " " + r.Header.Get("X-Scope-OrgID") + " " + fmt.Sprint(bytes.Contains(body, []byte("by-json-lines")), bytes.Contains(body, []byte("by-otlp-span")))
	}))
	defer receiver.Close()
	c := begin(t, t.TempDir(), memory.Settings{Forward: memory.Forward{
		Logs: []memory.Receiver{
			{URL: receiver.URL, Protocol: "otlp", Plain: true, Where: "level>=warn", Header: http.Header{"X-Scope-Orgid": {"shop"}}},
			{Name: "wrong", URL: "ftp://x"},
			{Name: "wrong", URL: receiver.URL, Protocol: "otlp", Where: "level>"},
		},
		Traces: []memory.Receiver{{URL: receiver.URL, Plain: true}, {Name: "wrong"}},
	}})
	everyWay["by-json-lines"](c, time.Now())
	everyWay["by-otlp-span"](c, time.Now())
	c.post("/api/v1/logs", "", `{"level":"info","msg":"not important"}`, http.StatusOK)
	want := map[string]bool{"/v1/logs shop true false": true, "/v1/traces  false true": true}
	for late := time.After(20 * time.Second); len(want) > 0; {
		select {
		case g := <-got:
			if !want[g] {
				t.Errorf("got %q", g)
			}
			delete(want, g)
		case <-late:
			t.Fatalf("not in time: %v", want)
		}
	}
}

// TestOnADiskThatIsFull: senders are told to come again, nothing is taken, and what was there is found.
func TestOnADiskThatIsFull(t *testing.T) {
	dir := t.TempDir()
	c := begin(t, dir, memory.Settings{})
	everyWay["by-json-lines"](c, time.Now())
	c.end()
	c = beginOn(t, dir, disk.Config{Ballast: disk.NoBallast, Low: 2 << 60, Full: 1 << 60}, memory.Settings{Ingest: memory.Ingest{SyslogUDP: "127.0.0.1:0"}})
	c.post("/api/v1/logs", "", `{"service":"shop","msg":"x"}`, http.StatusTooManyRequests)
	c.post("/loki/api/v1/push", "application/json", `{"streams":[{"stream":{"service_name":"shop"},"values":[["1","x"]]}]}`, http.StatusTooManyRequests)
	c.post("/elasticsearch/_bulk", "", "{\"create\":{}}\n{\"service\":\"shop\"}\n", http.StatusTooManyRequests)
	c.post("/v1/logs", "application/json", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`, http.StatusTooManyRequests)
	if code := c.feed(own.Process, `{"service":"shop","msg":"x"}`+"\n"); code != http.StatusServiceUnavailable { // the gateway keeps it
		t.Errorf("the feed: %d", code)
	}
	everyWay["by-syslog-udp"](c, time.Now())
	c.until("all are counted", func() bool {
		lines := 0
		for _, l := range c.ways().Limited {
			if l.Reason == "deferred" {
				lines += l.Lines
			}
		}
		return lines == 5
	})
	if lines := c.find(`{service="shop"}`); len(lines) != 1 || lines[0] != "by-json-lines" {
		t.Errorf("%q", lines)
	}
}

func TestBadLinesAreRefused(t *testing.T) {
	c := begin(t, t.TempDir(), memory.Settings{})
	c.post("/api/v1/logs", "", `{"msg":`, http.StatusBadRequest)
	c.post("/loki/api/v1/push", "application/json", `{"streams":7}`, http.StatusBadRequest)
	c.post("/elasticsearch/_bulk", "", "x\n", http.StatusBadRequest)
	c.post("/v1/logs", "application/json", `{"resourceLogs":7}`, http.StatusBadRequest)
	c.post("/v1/traces", "text/plain", "", http.StatusUnsupportedMediaType)
	if code := c.feed(own.Process, "this is no JSON\n"); code != http.StatusNoContent { // else it would come again for ever
		t.Errorf("the feed: %d", code)
	}
	if lines := c.find(`{}`); len(lines) != 0 {
		t.Errorf("%q", lines)
	}
}
