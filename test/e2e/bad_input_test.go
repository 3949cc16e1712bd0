package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/backend"
	"github.com/gabion-io/gabion/test/harness"
	"github.com/gabion-io/gabion/test/load"
)

// small is a gateway with narrow bounds, so that they are easily passed.
func small(t *testing.T, b *backend.Backend) *harness.Gateway {
	t.Helper()
	cfg := standard.with("health", "{active: off}").config(b)
	cfg.Gateway = "drain: 2s\nmax_header: 16KiB\nmax_body: 64KiB\nheader_timeout: 1s"
	return harness.Start(t, cfg)
}

const head = "Host: x\r\n"

func TestBadRequestsAreRefused(t *testing.T) {
	t.Parallel()
	b := backend.Start(t, "b0", backend.Behaviour{})
	g := small(t, b)
	for _, c := range []struct {
		name, text string
		status     []int
	}{
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\r\n\r\n", []int{400}},
		{"no version", "GET /\r\n\r\n", []int{400}},
		{"another version", "GET / HTTP/3.7\r\n" + head + "\r\n", []int{400, 505}},
		{"no host", "GET / HTTP/1.1\r\n\r\n", []int{400}},
		{"two hosts", "GET / HTTP/1.1\r\n" + head + "Host: y\r\n\r\n", []int{400}},
		{"impossible host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", []int{400}},
		{"space before the colon", "GET / HTTP/1.1\r\n" + head + "X-A : b\r\n\r\n", []int{400}},
		{"no name", "GET / HTTP/1.1\r\n" + head + ": b\r\n\r\n", []int{400}},
		{"no colon", "GET / HTTP/1.1\r\n" + head + "X-A\r\n\r\n", []int{400}},
		{"control character in a value", "GET / HTTP/1.1\r\n" + head + "X-A: b\x00c\r\n\r\n", []int{400}},
		{"impossible method", "GE(T / HTTP/1.1\r\n" + head + "\r\n", []int{400}},
		{"space in the path", "GET /a b HTTP/1.1\r\n" + head + "\r\n", []int{400}},
		{"half an escape", "GET /%2 HTTP/1.1\r\n" + head + "\r\n", []int{400}},
		{"control character in the path", "GET /a\x01b HTTP/1.1\r\n" + head + "\r\n", []int{400}},
		{"length and chunks", "POST / HTTP/1.1\r\n" + head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400}},
		{"two lengths", "POST / HTTP/1.1\r\n" + head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", []int{400}},
		{"list of lengths", "POST / HTTP/1.1\r\n" + head + "Content-Length: 5, 6\r\n\r\nhello!", []int{400}},
		{"negative length", "POST / HTTP/1.1\r\n" + head + "Content-Length: -5\r\n\r\nhello", []int{400}},
		{"length with a sign", "POST / HTTP/1.1\r\n" + head + "Content-Length: +5\r\n\r\nhello", []int{400}},
		{"no number as length", "POST / HTTP/1.1\r\n" + head + "Content-Length: five\r\n\r\nhello", []int{400}},
		{"unknown coding", "POST / HTTP/1.1\r\n" + head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", []int{400, 501}},
		{"disguised coding", "POST / HTTP/1.1\r\n" + head + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", []int{400, 501}},
		{"chunked is not last", "POST / HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", []int{400, 501}},
		{"coding in HTTP/1.0", "POST / HTTP/1.0\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400}},
		{"large header", "GET / HTTP/1.1\r\n" + head + "X-A: " + strings.Repeat("a", 40<<10) + "\r\n\r\n", []int{431}},
		{"many fields", "GET / HTTP/1.1\r\n" + head + strings.Repeat("X-A: b\r\n", 8000) + "\r\n", []int{431}},
		{"long path", "GET /" + strings.Repeat("a", 40<<10) + " HTTP/1.1\r\n" + head + "\r\n", []int{414, 431}},
		{"announced large body", "POST / HTTP/1.1\r\n" + head + "Content-Length: 10000000\r\n\r\n", []int{413}},
		{"enormous length", "POST / HTTP/1.1\r\n" + head + "Content-Length: 99999999999999999999\r\n\r\n", []int{400, 413}},
		{"unknown expectation", "POST / HTTP/1.1\r\n" + head + "Expect: cake\r\nContent-Length: 0\r\n\r\n", []int{417}},
		{"slow header", "GET / HTTP/1.1\r\n" + head + "X-A: ", []int{408}},
		{"tunnel", "CONNECT example.org:443 HTTP/1.1\r\n" + head + "\r\n", []int{400, 404, 405, 501}},
	} {
		answer, err := g.Dial(t, 10*time.Second).Ask("GET", c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !slices.Contains(c.status, answer.Status) {
			t.Errorf("%s: answered %d, want one of %d: %s", c.name, answer.Status, c.status, answer.Body)
		}
		explained(t, c.name, answer)
	}
	if n := backend.Arrivals(t, b); n != 0 {
		t.Errorf("%d requests were passed on: %v", n, b.Journal(t))
	}
	serves(t, g)
}

// explained checks that an answer of the gateway itself is a problem that gives nothing away.
func explained(t *testing.T, name string, answer harness.Answer) {
	t.Helper()
	var problem struct {
		Type   string `json:"type"`
		Status int    `json:"status"`
	}
	if err := json.Unmarshal([]byte(answer.Body), &problem); err != nil || problem.Status != answer.Status ||
		!strings.HasPrefix(problem.Type, "urn:gabion:problem:") || answer.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: not a problem: %+v, %v", name, answer, err)
	}
	if strings.Contains(answer.Body, "127.0.0.1") || strings.Contains(answer.Body, "dial tcp") {
		t.Errorf("%s: gives addresses away: %s", name, answer.Body)
	}
}

// serves checks that a gateway still does its work.
func serves(t *testing.T, g *harness.Gateway) {
	t.Helper()
	if r := (load.Load{Target: to(g), For: 500 * time.Millisecond}).Start(t.Context()).Wait(); len(r.All().Failed()) > 0 {
		t.Errorf("afterwards: %v", r.All())
	}
}

// Bodies that turn out bad only while they come: what has been passed on must not look like a whole request.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	b := backend.Start(t, "b0", backend.Behaviour{})
	g := small(t, b)
	const chunked = "POST / HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		name, text string
		status     int
	}{
		{"larger than allowed, in chunks", chunked + strings.Repeat("4000\r\n"+strings.Repeat("a", 0x4000)+"\r\n", 6) + "0\r\n\r\n", 413},
		{"impossible size of a chunk", chunked + "xyz\r\nhello\r\n0\r\n\r\n", 400},
		{"negative size of a chunk", chunked + "-5\r\nhello\r\n0\r\n\r\n", 400},
		{"enormous size of a chunk", chunked + "fffffffffffffffff\r\nhello", 400},
		{"chunk without its end", chunked + "5\r\nhelloworld\r\n0\r\n\r\n", 400},
	} {
		answer, err := g.Dial(t, 10*time.Second).Ask("POST", c.text)
		if err != nil || answer.Status != c.status {
			t.Errorf("%s: answered %d, want %d: %v %s", c.name, answer.Status, c.status, err, answer.Body)
			continue
		}
		explained(t, c.name, answer)
	}
	for _, e := range b.Journal(t) {
		if e.Kind == backend.Execution && e.Method == "POST" {
			t.Error("a broken body was executed")
		}
	}
	serves(t, g)
}

// Paths that try to get somewhere else never reach a route by another name than the backend sees.
func TestPathsMeanTheSameToGatewayAndBackend(t *testing.T) {
	t.Parallel()
	b := backend.Start(t, "b0", backend.Behaviour{})
	rest := "services:\n" + standard.service("items", b) + "routes:\n  - {name: open, match: {path: /open/}, service: items}\n"
	g := harness.Start(t, harness.Config{Gateway: "drain: 2s", Rest: rest})
	for _, path := range []string{
		"/open/../secret", "/open/..%2fsecret", "/open/%2e%2e/secret", "/open/..\\secret", "//secret", "/secret", "/OPEN/x", "/open%2fx", "*",
	} {
		answer, err := g.Dial(t, 10*time.Second).Ask("GET", "GET "+path+" HTTP/1.1\r\n"+head+"\r\n")
		// What is passed on must stand literally under the route's prefix, whatever the backend makes of it.
		if err != nil || answer.Status != 400 && answer.Status != 404 {
			t.Errorf("%s: answered %d %v", path, answer.Status, err)
		}
	}
	if n := backend.Arrivals(t, b); n != 0 {
		t.Errorf("%d requests were passed on", n)
	}
}

// Many clients that send a byte now and then are cut off, hold up nobody, and leave nothing behind.
func TestSlowSenders(t *testing.T) {
	t.Parallel()
	b := backend.Start(t, "b0", backend.Behaviour{})
	g := small(t, b)
	serves(t, g)
	before := use(t, g)
	var clients sync.WaitGroup
	answers := make(chan string, 200)
	for range 200 {
		clients.Go(func() { answers <- crawl(g.Address) })
	}
	report := load.Load{Target: to(g), For: 4 * time.Second}.Start(t.Context()).Wait()
	clients.Wait()
	close(answers)
	if len(report.All().Failed()) > 0 || report.All().Awake().Quantile(.99) > time.Second {
		t.Errorf("beside slow senders: %v", report.All())
	}
	kinds := map[string]int{}
	for answer := range answers {
		kinds[answer]++
	}
	if kinds["HTTP/1.1 408"] != 200 {
		t.Errorf("slow senders got %v", kinds)
	}
	harnessUntil(t, "goroutines are back", func() bool { return use(t, g).goroutines < before.goroutines+50 })
	if after := use(t, g); after.memory > before.memory+harness.Room(32<<20) {
		t.Errorf("memory grew from %d to %d MiB", before.memory>>20, after.memory>>20)
	}
}

// crawl sends the head of a request a byte at a time and gives the beginning of the answer.
func crawl(address string) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(15 * time.Second))
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for _, c := range "GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("a", 100) {
			if _, err := fmt.Fprintf(conn, "%c", c); err != nil {
				return
			}
			<-tick.C
		}
	}()
	answer := make([]byte, len("HTTP/1.1 408"))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err.Error()
	}
	return string(answer)
}

// Whatever a backend answers, the client gets a clear 502 and nothing hangs.
func TestGarbageFromABackend(t *testing.T) {
	t.Parallel()
	b := backend.Start(t, "b0", backend.Behaviour{})
	g := harness.Start(t, standard.with("health", "{active: off, passive: off}", "breaker", "off", "retry", "off").config(b))
	for name, text := range map[string]string{
		"nothing":                "",
		"no HTTP":                "\x16\x03\x01 hello \x00\r\n\r\n",
		"another protocol":       "SSH-2.0-OpenSSH_9.6\r\n\r\n",
		"impossible status":      "HTTP/1.1 99999 Yes\r\nContent-Length: 0\r\n\r\n",
		"no status":              "HTTP/1.1 \r\n\r\n",
		"half a head":            "HTTP/1.1 200 OK\r\nContent-Le",
		"broken field":           "HTTP/1.1 200 OK\r\nContent Length: 5\r\n\r\nhello",
		"two lengths":            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		"no number as length":    "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
		"negative length":        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
		"enormous head":          "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 4<<20) + "\r\n\r\n",
		"uninvited switch":       "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"endless preliminaries":  strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 20000),
		"less than half a chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
	} {
		b.Set(t, backend.Behaviour{Mode: backend.Raw, Raw: text})
		conn := g.Dial(t, 10*time.Second)
		answer, err := conn.Ask("GET", "GET /item HTTP/1.1\r\n"+head+"\r\n")
		for i := 0; i < 100 && err == nil && answer.Status/100 == 1 && answer.Status != 101; i++ {
			answer, err = conn.Read("GET") // some preliminaries may be passed on
		}
		if err != nil && answer.Status == 200 && name == "less than half a chunk" {
			continue // The head had been passed on. The client sees that the rest is missing.
		}
		if err != nil || answer.Status != 502 {
			t.Errorf("%s: answered %d, want 502: %v", name, answer.Status, err)
			continue
		}
		explained(t, name, answer)
	}
	b.Set(t, backend.Behaviour{})
	serves(t, g)
}
