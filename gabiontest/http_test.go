package gabiontest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/gabiontest"
)

// bodyOf is a request body that knows whether it was closed.
type bodyOf struct {
	io.Reader
	closed bool
}

func (b *bodyOf) Close() error { b.closed = true; return nil }

// get asks for url and says what came: the status, or the error.
func get(t *testing.T, client *http.Client, url string, timeout time.Duration) (status int, body string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func TestRoundTrip(t *testing.T) {
	tests := []struct {
		rule   gabiontest.Rule
		status int
		err    error
		took   time.Duration
	}{
		{gabiontest.Rule{}, 200, nil, 0},
		{gabiontest.Rule{Mode: gabiontest.Error}, 500, nil, 0},
		{gabiontest.Rule{Mode: gabiontest.Error, Status: 503}, 503, nil, 0},
		{gabiontest.Rule{Mode: gabiontest.Error, Err: errOwn}, 0, errOwn, 0},
		{gabiontest.Rule{Mode: gabiontest.Latency, Delay: 3 * time.Second}, 200, nil, 3 * time.Second},
		{gabiontest.Rule{Mode: gabiontest.Hang}, 0, context.DeadlineExceeded, 10 * time.Second},
		{gabiontest.Rule{Mode: gabiontest.Reset}, 0, syscall.ECONNRESET, 0},
		{gabiontest.Rule{Mode: gabiontest.Overload, Delay: time.Second}, 200, nil, time.Second},
	}
	for _, test := range tests {
		t.Run(string(test.rule.Mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := &http.Client{Transport: gabiontest.New(t, test.rule)}
				began := time.Now()
				status, _, err := get(t, client, "http://catalog/hats", 10*time.Second)
				if took := time.Since(began); status != test.status || !errors.Is(err, test.err) || took != test.took {
					t.Errorf("got %d, %v after %v; want %d, %v after %v", status, err, took, test.status, test.err, test.took)
				}
			})
		})
	}
}

func TestRoundTripIsRefusedWhenOverloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dep := gabiontest.New(t, gabiontest.Rule{Mode: gabiontest.Overload, Delay: time.Second})
		go dep.Call(t.Context())
		synctest.Wait()
		if status, _, err := get(t, &http.Client{Transport: dep}, "http://catalog/", time.Second); status != 503 || err != nil {
			t.Errorf("got %d, %v", status, err)
		}
	})
}

func TestRoundTripClosesTheBody(t *testing.T) {
	for _, rule := range []gabiontest.Rule{{}, {Mode: gabiontest.Reset}} {
		body := &bodyOf{Reader: strings.NewReader("a hat")}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://catalog/", body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := gabiontest.New(t, rule).RoundTrip(req)
		if !body.closed {
			t.Errorf("%v: the body is open", rule.Mode)
		}
		if err == nil && resp.Request != req {
			t.Errorf("%v: the response has another request", rule.Mode)
		}
	}
}

func TestAnswerAnswersWhatSucceeds(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Host", r.Host)
		w.WriteHeader(http.StatusAccepted)
		w.Write(append(body, r.RequestURI...))
	})
	dep := gabiontest.New(t)
	dep.Answer(echo)
	for url, client := range map[string]*http.Client{"http://catalog": {Transport: dep}, dep.Serve(t): {}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/hats?size=7", strings.NewReader("new "))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != "new /hats?size=7" || resp.StatusCode != 202 || resp.Header.Get("X-Host") != req.URL.Host {
			t.Errorf("%s: got %d %q %v", url, resp.StatusCode, body, err)
		}
	}
}

func TestRulesForAPath(t *testing.T) {
	dep := gabiontest.New(t, gabiontest.Rule{Mode: gabiontest.Error, Path: "/hats"})
	url := dep.Serve(t)
	for path, want := range map[string]int{"/hats": 500, "/shoes": 200} {
		if status, _, err := get(t, http.DefaultClient, url+path, 10*time.Second); status != want || err != nil {
			t.Errorf("served %s: got %d, %v", path, status, err)
		}
		if status, _, err := get(t, &http.Client{Transport: dep}, "http://catalog"+path, time.Second); status != want || err != nil {
			t.Errorf("round trip %s: got %d, %v", path, status, err)
		}
	}
}

func TestServe(t *testing.T) {
	tests := []struct {
		rule    gabiontest.Rule
		timeout time.Duration
		status  int
		err     error
	}{
		{gabiontest.Rule{}, 10 * time.Second, 200, nil},
		{gabiontest.Rule{Mode: gabiontest.Error}, 10 * time.Second, 500, nil},
		{gabiontest.Rule{Mode: gabiontest.Error, Status: 502, Err: errOwn}, 10 * time.Second, 502, nil},
		{gabiontest.Rule{Mode: gabiontest.Latency, Delay: time.Millisecond}, 10 * time.Second, 200, nil},
		{gabiontest.Rule{Mode: gabiontest.Hang}, 50 * time.Millisecond, 0, context.DeadlineExceeded},
		{gabiontest.Rule{Mode: gabiontest.Reset}, 10 * time.Second, 0, syscall.ECONNRESET},
		{gabiontest.Rule{Mode: gabiontest.Panic}, 10 * time.Second, 0, io.EOF},
		{gabiontest.Rule{Mode: gabiontest.Overload, Delay: time.Millisecond}, 10 * time.Second, 200, nil},
	}
	for _, test := range tests {
		t.Run(string(test.rule.Mode), func(t *testing.T) {
			gabiontest.NoLeak(t)
			client := &http.Client{Transport: &http.Transport{}}
			t.Cleanup(client.CloseIdleConnections)
			url := gabiontest.New(t, test.rule).Serve(t)
			status, _, err := get(t, client, url, test.timeout)
			if status != test.status || !errors.Is(err, test.err) {
				t.Errorf("got %d, %v; want %d, %v", status, err, test.status, test.err)
			}
		})
	}
}

// eventually waits until ok, and fails the test when that takes too long.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

func TestAServerThatHangsNoticesThatItsClientHasGone(t *testing.T) {
	dep := gabiontest.New(t, gabiontest.Rule{Mode: gabiontest.Hang})
	url := dep.Serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("a hat"))
		if err == nil {
			_, err = http.DefaultClient.Do(req)
		}
		gone <- err
	}()
	eventually(t, "the request", func() bool { return dep.Snapshot().InFlight == 1 })
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	eventually(t, "the end of the request", func() bool { return dep.Snapshot().InFlight == 0 })
}

// A server does not notice that its client has gone before it has read the request. It ends all the same.
func TestAServerEndsWithWhatItHolds(t *testing.T) {
	fake := &fakeTB{}
	dep := gabiontest.New(fake, gabiontest.Rule{Mode: gabiontest.Latency, Delay: 24 * time.Hour})
	url := dep.Serve(fake)
	failed := make(chan error)
	go func() {
		_, err := http.Post(url, "text/plain", strings.NewReader("a hat"))
		failed <- err
	}()
	eventually(t, "the request", func() bool { return dep.Snapshot().InFlight == 1 })
	ended := make(chan struct{})
	go func() { fake.end(); close(ended) }()
	for range 2 {
		select {
		case err := <-failed:
			if err == nil {
				t.Error("the request was answered")
			}
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Fatal("the server did not end")
		}
	}
}

func TestResetThroughTLSAndHTTP2(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(gabiontest.New(t, gabiontest.Rule{Mode: gabiontest.Reset}))
		server.EnableHTTP2 = http2
		server.StartTLS()
		t.Cleanup(server.Close)
		status, _, err := get(t, server.Client(), server.URL, 10*time.Second)
		want := "connection reset by peer"
		if http2 {
			want = "INTERNAL_ERROR"
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("HTTP/2 %v: got %d, %v", http2, status, err)
		}
	}
}

func TestAServerThatIsOverloadedRefuses(t *testing.T) {
	dep := gabiontest.New(t, gabiontest.Rule{Mode: gabiontest.Overload, Delay: time.Hour})
	go dep.Call(t.Context())
	eventually(t, "the first call", func() bool { return dep.Snapshot().InFlight == 1 })
	if status, body, err := get(t, http.DefaultClient, dep.Serve(t), 10*time.Second); status != 503 || !strings.Contains(body, "overloaded") {
		t.Errorf("got %d %q %v", status, body, err)
	}
}
