package protocol

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/harness"
)

func TestHeaderFields(t *testing.T) {
	t.Parallel()
	seen := make(chan *http.Request, 1)
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "from the service")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Add("X-Two", "1")
		w.Header().Add("X-Two", "2")
	})
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	resp, _ := fetch(t, http.DefaultClient, request(t, "GET", "http://"+g.Address+"/a%20b?q=1&q=%2F", nil,
		"Connection", "X-Drop, close", "X-Drop", "me", "Keep-Alive", "timeout=5", "Proxy-Authorization", "secret",
		"X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https", "Forwarded", "for=203.0.113.9", "traceparent", trace,
		"X-Gabion-Attempt", "7", "X-Request-Id", "mine-1", "Te", "trailers", "Accept-Encoding", "br"))
	r := <-seen
	if r.URL.RequestURI() != "/a%20b?q=1&q=%2F" || r.Host != g.Address {
		t.Errorf("asked for %s of %s", r.URL.RequestURI(), r.Host)
	}
	for name, want := range map[string]string{
		"X-Drop": "", "Keep-Alive": "", "Proxy-Authorization": "", "Connection": "", "X-Gabion-Attempt": "1", "X-Forwarded-For": "127.0.0.1",
		"X-Forwarded-Proto": "http", "X-Forwarded-Host": g.Address, "X-Request-Id": "mine-1", "Accept-Encoding": "br",
	} {
		if got := strings.Join(r.Header.Values(name), "|"); got != want {
			t.Errorf("the service got %s %q, want %q", name, got, want)
		}
	}
	if got := r.Header.Get("Traceparent"); !strings.HasPrefix(got, trace[:36]) {
		t.Errorf("the service got traceparent %q, want the same trace as %q", got, trace)
	}
	if got := r.Header.Get("Forwarded"); strings.Contains(got, "203.0.113.9") || !strings.Contains(got, "127.0.0.1") {
		t.Errorf("the service got Forwarded %q", got)
	}
	if got := r.Header.Get("X-Gabion-Timeout-Ms"); got == "" || got == "0" {
		t.Errorf("the service got the deadline %q", got)
	}
	if resp.Header.Get("X-Hop") != "" || resp.Header.Get("Keep-Alive") != "" || strings.Join(resp.Header.Values("X-Two"), "|") != "1|2" {
		t.Errorf("the client got %v", resp.Header)
	}
	if resp.Header.Get("X-Request-Id") != "mine-1" {
		t.Errorf("the client got the request id %q", resp.Header.Get("X-Request-Id"))
	}
}

func TestDeadlineOfTheClient(t *testing.T) {
	t.Parallel()
	left := make(chan string, 1)
	g := behind(t, func(_ http.ResponseWriter, r *http.Request) {
		left <- r.Header.Get("X-Gabion-Timeout-Ms")
		<-r.Context().Done()
	})
	started := time.Now()
	resp, body := fetch(t, http.DefaultClient, request(t, "GET", "http://"+g.Address, nil, "X-Gabion-Timeout-Ms", "300"))
	if took := time.Since(started); resp.StatusCode != http.StatusGatewayTimeout || took > 2*time.Second || took < 250*time.Millisecond {
		t.Errorf("answered %s after %v: %s", resp.Status, took, body)
	}
	var ms int
	if text := <-left; text == "" {
		t.Error("the service was told no deadline")
	} else if _, err := fmt.Sscan(text, &ms); err != nil || ms > 300 || ms < 1 {
		t.Errorf("the service was told %s ms", text)
	}
}

func TestHEAD(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "12345")
		w.Header().Set("X-Method", r.Method)
		if r.Method == http.MethodGet {
			io.CopyN(w, &pattern{n: 12345}, 12345)
		}
	})
	conn := g.Dial(t, 20*time.Second)
	for range 3 { // on the same connection: no byte too many came with the answer before
		answer, err := conn.Ask("HEAD", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
		if err != nil || answer.Status != 200 || answer.Header.Get("Content-Length") != "12345" || answer.Header.Get("X-Method") != "HEAD" || answer.Close {
			t.Fatalf("%+v, %v", answer, err)
		}
	}
	if answer, err := conn.Ask("GET", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil || len(answer.Body) != 12345 {
		t.Errorf("%d bytes, %v", len(answer.Body), err)
	}
}

// Answers that have no body, and pipelined requests that are answered in order.
func TestAnswersWithoutBody(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("Etag", `"a"`)
			w.WriteHeader(304)
		default:
			io.WriteString(w, r.URL.Path)
		}
	})
	conn := g.Dial(t, 20*time.Second)
	var all strings.Builder
	paths := []string{"/204", "/a", "/304", "/b", "/204", "/c"}
	for _, path := range paths {
		fmt.Fprintf(&all, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	}
	io.WriteString(conn, all.String())
	for _, path := range paths {
		answer, err := conn.Read("GET")
		want := path
		if len(path) == 4 {
			want = ""
		}
		if err != nil || answer.Body != want || (want == "" && fmt.Sprint("/", answer.Status) != path) {
			t.Errorf("%s: %+v, %v", path, answer, err)
		}
	}
}

func TestHTTP10(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "part 1, ")
		http.NewResponseController(w).Flush() // so that it is chunked, which HTTP/1.0 does not know
		io.WriteString(w, "part 2")
	})
	conn := g.Dial(t, 20*time.Second)
	answer, err := conn.Ask("GET", "GET / HTTP/1.0\r\nHost: x\r\n\r\n")
	if err != nil || answer.Body != "part 1, part 2" || !conn.Closed() {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestContinue(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refused" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		body, err := io.ReadAll(r.Body)
		fmt.Fprint(w, string(body), err)
	})
	const fields = "Host: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
	conn := g.Dial(t, 20*time.Second)
	answer, err := conn.Ask("POST", "POST / HTTP/1.1\r\n"+fields)
	if err != nil || answer.Status != 100 {
		t.Fatalf("the body was not asked for: %+v, %v", answer, err)
	}
	if answer, err := conn.Ask("POST", "hello"); err != nil || answer.Body != "hello<nil>" {
		t.Errorf("%+v, %v", answer, err)
	}
	// A service may refuse before it has seen the body. Whether the gateway asks for the body by then is its business.
	refused := g.Dial(t, 20*time.Second)
	answer, err = refused.Ask("POST", "POST /refused HTTP/1.1\r\n"+fields)
	if err == nil && answer.Status == 100 {
		answer, err = refused.Ask("POST", "hello")
	}
	if err != nil || answer.Status != http.StatusForbidden {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestTrailers(t *testing.T) {
	t.Parallel()
	trailer := make(chan http.Header, 1)
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		trailer <- r.Trailer
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-Unannounced", "43")
	})
	req := request(t, "POST", "http://"+g.Address, io.MultiReader(strings.NewReader("hello")), "X-Other", "1")
	req.Trailer = http.Header{"X-Client-Sum": {"41"}}
	resp, body := fetch(t, http.DefaultClient, req)
	if body != "body" || resp.Trailer.Get("X-Sum") != "42" || resp.Trailer.Get("X-Unannounced") != "43" {
		t.Errorf("the client got %q with trailer %v", body, resp.Trailer)
	}
	if got := <-trailer; got.Get("X-Client-Sum") != "41" {
		t.Errorf("the service got the trailer %v", got)
	}
}

// What the client gives up is given up at the service.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	entered, gone := make(chan struct{}), make(chan struct{})
	g := behind(t, func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(gone)
	})
	conn := g.Dial(t, 20*time.Second)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	conn.Close()
	select {
	case <-gone:
	case <-time.After(2 * time.Second): // less than any of the gateway's timeouts
		t.Error("the service still works for a client that has gone")
	}
}

// An answer that comes before the request has been sent reaches the client.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, "who are you?")
	})
	conn := g.Dial(t, 20*time.Second)
	answer, err := conn.Ask("POST", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"+strings.Repeat("a", 1000))
	if err != nil || answer.Status != http.StatusUnauthorized || answer.Body != "who are you?" {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestRouting(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Method+" "+r.URL.Path) })
	g := harness.Start(t, harness.Config{Gateway: "drain: 2s", Rest: "services:\n  one: {endpoints: [" + url + "]}\n" +
		"routes:\n  - {name: item, match: {path: \"/item/{id}\", methods: [GET]}, service: one}\n"})
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/item/7", 200, ""},
		{"HEAD", "/item/7", 200, ""},
		{"DELETE", "/item/7", 405, "GET, HEAD"},
		{"GET", "/item/7/8", 404, ""},
		{"GET", "/", 404, ""},
	} {
		resp, body := fetch(t, http.DefaultClient, request(t, c.method, "http://"+g.Address+c.path, nil))
		if resp.StatusCode != c.status || resp.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %s, Allow %q, %s", c.method, c.path, resp.Status, resp.Header.Get("Allow"), body)
		}
	}
}
