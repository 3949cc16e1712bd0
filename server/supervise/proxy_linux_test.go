package supervise_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// get asks the child through the proxy.
func (b *bundle) get(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.Proxy().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://admin.example"+path, nil))
	return w
}

func TestProxyPassesOn(t *testing.T) {
	b := start(t, "store", nil)
	b.up(t)
	if w := b.get("/echo/a%2Fb?q=%7Bx%7D&r"); w.Code != http.StatusOK || w.Body.String() != "/echo/a%2Fb?q=%7Bx%7D&r admin.example" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, path := range []string{"/-/feed", "/-/status", "/%2d/status", "/none"} {
		if w := b.get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := b.get("//-/status"); w.Code/100 == 2 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestProxyStreams(t *testing.T) {
	b := start(t, "store", nil)
	b.up(t)
	front := httptest.NewServer(b.Proxy())
	defer front.Close()
	answer, err := front.Client().Get(front.URL + "/tail")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if line, err := bufio.NewReader(answer.Body).ReadString('\n'); err != nil || line != "line 0\n" {
		t.Errorf("%q %v", line, err)
	}
}

func TestProxyWhileTheChildIsAway(t *testing.T) {
	b := start(t, "exit", nil)
	until(t, "a restart", func() bool { return b.Status().Restarts > 0 })
	w := b.get("/prometheus/api/v1/query")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if !strings.Contains(w.Body.String(), `"type":"urn:gabion:problem:store-away"`) {
		t.Error(w.Body)
	}
}

func TestProxyWhileTheChildHangs(t *testing.T) {
	b := start(t, "store", nil)
	pid := b.up(t)
	pause(t, pid)
	began := time.Now()
	w := b.get("/echo/") // it may even be served by the next process
	if took := time.Since(began); took > 20*time.Second || (w.Code != http.StatusServiceUnavailable && w.Code != http.StatusOK) {
		t.Errorf("%d after %v", w.Code, took)
	}
	b.upAgain(t, pid)
}

func TestProxyIsBounded(t *testing.T) {
	b := start(t, "store", nil)
	b.up(t)
	front := httptest.NewServer(b.Proxy())
	defer front.Close()
	busy := make(chan struct{}, 1)
	for range 300 {
		go func() {
			answer, err := front.Client().Get(front.URL + "/hold")
			if err != nil {
				return
			}
			answer.Body.Close()
			if answer.StatusCode == http.StatusServiceUnavailable {
				select {
				case busy <- struct{}{}:
				default:
				}
			}
		}()
	}
	select {
	case <-busy:
	case <-time.After(30 * time.Second):
		t.Error("300 requests are let in")
	}
	b.Close() // ends those that are held
}
