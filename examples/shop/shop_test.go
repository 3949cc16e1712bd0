package shop

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/gabiontest"
)

// testShop is a whole shop on loopback.
type testShop struct {
	catalog, recommendations, checkout *httptest.Server
	events                             *gabiontest.Recorder
}

func serve(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func setup(t *testing.T) *testShop {
	t.Helper()
	s := &testShop{catalog: serve(t, Catalog(Config{Name: "catalog-1"})), recommendations: serve(t, Recommendations(Config{})), events: gabiontest.NewRecorder(t)}
	checkout, err := Checkout(CheckoutConfig{Catalog: s.catalog.URL, Recommendations: s.recommendations.URL, Observer: s.events})
	if err != nil {
		t.Fatal(err)
	}
	s.checkout = serve(t, checkout)
	return s
}

func send(t *testing.T, method, url, key, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func (s *testShop) order(t *testing.T, key string) (int, Receipt) {
	t.Helper()
	resp, body := send(t, http.MethodPost, s.checkout.URL+"/checkout", key, `{"product": 7, "quantity": 2}`)
	var r Receipt
	if resp.StatusCode == http.StatusCreated {
		if err := json.Unmarshal([]byte(body), &r); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode, r
}

func breakThings(t *testing.T, service *httptest.Server, fault string) {
	t.Helper()
	if resp, body := send(t, http.MethodPost, service.URL+"/fault", "", fault); resp.StatusCode != http.StatusOK {
		t.Fatalf("POST /fault %s: %s %s", fault, resp.Status, body)
	}
}

func TestOrder(t *testing.T) {
	s := setup(t)
	status, receipt := s.order(t, "a")
	if status != http.StatusCreated || receipt.Cents != 550 || receipt.Degraded || len(receipt.AlsoBought) != 3 || receipt.ID != "a" {
		t.Errorf("order answered %d %+v", status, receipt)
	}
	resp, body := send(t, http.MethodGet, s.catalog.URL+"/products", "", "")
	if resp.StatusCode != http.StatusOK || strings.Count(body, `"id"`) != products || resp.Header.Get("X-Shop-Instance") != "catalog-1" {
		t.Errorf("products answered %s with %d bytes, instance %q", resp.Status, len(body), resp.Header.Get("X-Shop-Instance"))
	}
}

func TestBadOrdersAreRefused(t *testing.T) {
	s := setup(t)
	for _, c := range []struct {
		name, key, body string
		status          int
	}{
		{"no key", "", `{"product": 7, "quantity": 1}`, 400},
		{"long key", strings.Repeat("k", 256), `{"product": 7, "quantity": 1}`, 400},
		{"no order", "k1", `{`, 400},
		{"nothing", "k2", `{"product": 7, "quantity": 0}`, 400},
		{"too much", "k3", `{"product": 7, "quantity": 101}`, 400},
		{"large", "k4", `{"product": ` + strings.Repeat(" ", 5000) + `7, "quantity": 1}`, 400},
		{"unknown product", "k5", `{"product": 12345, "quantity": 1}`, 422},
	} {
		if resp, body := send(t, http.MethodPost, s.checkout.URL+"/checkout", c.key, c.body); resp.StatusCode != c.status {
			t.Errorf("%s: answered %s %s, want %d", c.name, resp.Status, body, c.status)
		}
	}
	if _, err := Checkout(CheckoutConfig{Catalog: s.catalog.URL}); err == nil {
		t.Error("a checkout without the address of the recommendations was made")
	}
}

// An unknown product is an answer of a healthy catalog: it is neither retried nor does it open the breaker.
func TestUnknownProductsDoNotOpenTheBreaker(t *testing.T) {
	s := setup(t)
	for range 30 {
		send(t, http.MethodPost, s.checkout.URL+"/checkout", "k", `{"product": 12345, "quantity": 1}`)
	}
	retries, changes := gabion.Event{Kind: gabion.EventRetry}, gabion.Event{Kind: gabion.EventState}
	if s.events.Count(retries) != 0 || s.events.Count(changes) != 0 {
		t.Errorf("there are retries or changes of state in\n%v", s.events)
	}
	if status, _ := s.order(t, "a"); status != http.StatusCreated {
		t.Errorf("an order answered %d afterwards", status)
	}
}

func TestNothingIsSoldWithoutTheCatalog(t *testing.T) {
	s := setup(t)
	breakThings(t, s.catalog, `{"error": 1}`)
	resp, body := send(t, http.MethodPost, s.checkout.URL+"/checkout", "a", `{"product": 7, "quantity": 2}`)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || strings.Contains(body, "127.0.0.1") {
		t.Errorf("answered %s, Retry-After %q, %s", resp.Status, resp.Header.Get("Retry-After"), body)
	}
	breakThings(t, s.catalog, `{}`)
	if status, _ := s.order(t, "a"); status != http.StatusCreated {
		t.Errorf("the same order answered %d afterwards: a failed execution must leave no trace", status)
	}
}

func TestOrderIsExecutedOnce(t *testing.T) {
	s := setup(t)
	breakThings(t, s.catalog, `{"delay": "20ms"}`) // so that the duplicates meet the execution
	var replayed atomic.Int32
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.checkout.URL+"/checkout", strings.NewReader(`{"product": 7, "quantity": 2}`))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Idempotency-Key", "same")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusCreated {
				t.Errorf("answered %s", resp.Status)
			}
			if resp.Header.Get("Idempotent-Replayed") == "true" {
				replayed.Add(1)
			}
		})
	}
	clients.Wait()
	_, orders := send(t, http.MethodGet, s.checkout.URL+"/orders", "", "")
	if replayed.Load() != 19 || strings.TrimSpace(orders) != `{"executed":1}` {
		t.Errorf("%d of 20 were replayed, orders %s", replayed.Load(), orders)
	}
	resp, _ := send(t, http.MethodPost, s.checkout.URL+"/checkout", "same", `{"product": 8, "quantity": 2}`)
	if resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("the same key with another order answered %s", resp.Status)
	}
}

func TestLedgerIsBounded(t *testing.T) {
	l := newLedger(3)
	for _, key := range []string{"a", "b", "c", "d", "e", "a"} {
		if _, replayed, err := l.once(t.Context(), key, Order{}, func() (Receipt, error) { return Receipt{}, nil }); replayed || err != nil {
			t.Errorf("%s: replayed %v, %v", key, replayed, err)
		}
	}
	if len(l.entries) != 3 || l.executed.Load() != 6 {
		t.Errorf("%d entries, %d executed", len(l.entries), l.executed.Load())
	}
}

func TestPanicFreesTheKey(t *testing.T) {
	l := newLedger(0)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _, _ = l.once(t.Context(), "a", Order{}, func() (Receipt, error) { panic("boom") })
	}()
	if _, replayed, err := l.once(t.Context(), "a", Order{}, func() (Receipt, error) { return Receipt{}, nil }); replayed || err != nil {
		t.Errorf("replayed %v, %v", replayed, err)
	}
}

// What a caller has left shortens the call: its customer has gone by then.
func TestDeadlineOfTheCallerCounts(t *testing.T) {
	s := setup(t)
	breakThings(t, s.catalog, `{"delay": "1h"}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.checkout.URL+"/checkout", strings.NewReader(`{"product": 7, "quantity": 2}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", "a")
	req.Header.Set(timeoutHeader, "20")
	start := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	// Without the deadline it is the pipe's: three tries of 300 ms.
	if took := time.Since(start); resp.StatusCode != http.StatusServiceUnavailable || took > 500*time.Millisecond {
		t.Errorf("answered %s after %v", resp.Status, took)
	}
}

func TestFaultIsControlledLocally(t *testing.T) {
	catalog := Catalog(Config{Fault: Fault{Error: 1}})
	ask := func(method, path, remote, body string, header http.Header) int {
		req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		req.RemoteAddr, req.Header = remote, header
		w := httptest.NewRecorder()
		catalog.ServeHTTP(w, req)
		return w.Code
	}
	const here, body = "127.0.0.1:1234", `{"error": 0.5}`
	for _, c := range []struct {
		name, method, path, remote, body string
		header                           http.Header
		status                           int
	}{
		{"told to fail", "GET", "/products", here, "", nil, 500},
		{"looks healthy", "GET", "/healthz", here, "", nil, 200},
		{"another host", "POST", "/fault", "192.0.2.7:1234", body, nil, 403},
		{"through a proxy", "POST", "/fault", here, body, http.Header{"X-Forwarded-For": {"192.0.2.7"}}, 403},
		{"no address", "POST", "/fault", "", body, nil, 403},
		{"shown", "GET", "/fault", here, "", nil, 200},
		{"impossible", "POST", "/fault", here, `{"error": 2}`, nil, 400},
		{"endless", "POST", "/fault", here, `{"delay": "100h"}`, nil, 400},
		{"no duration", "POST", "/fault", here, `{"delay": "soon"}`, nil, 400},
		{"unhealthy", "POST", "/fault", here, `{"error": 1, "health": true}`, nil, 200},
		{"looks sick", "GET", "/healthz", here, "", nil, 500},
		{"ended", "POST", "/fault", here, `{}`, nil, 200},
		{"works", "GET", "/products", here, "", nil, 200},
	} {
		if got := ask(c.method, c.path, c.remote, c.body, c.header); got != c.status {
			t.Errorf("%s: %s %s answered %d, want %d", c.name, c.method, c.path, got, c.status)
		}
	}
}

func TestParseFault(t *testing.T) {
	got, err := ParseFault("error=0.5,delay=2s,health=true")
	if want := (Fault{0.5, 2 * time.Second, true}); got != want || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if text, err := json.Marshal(got); string(text) != `{"error":0.5,"delay":"2s","health":true}` || err != nil {
		t.Errorf("as JSON %s, %v", text, err)
	}
	for _, bad := range []string{"error", "error=2", "error=NaN", "delay=-1s", "delay=2", "speed=1", "health=perhaps"} {
		if _, err := ParseFault(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestServeFinishesWhatIsInFlight(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- ServeOn(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			io.WriteString(w, "done")
		}))
	}()
	answered := make(chan string, 1)
	go func() {
		_, body := send(t, http.MethodGet, "http://"+listener.Addr().String(), "", "")
		answered <- body
	}()
	<-entered
	stop()
	close(release)
	if body := <-answered; body != "done" {
		t.Errorf("the request in flight got %q", body)
	}
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if err := Serve(t.Context(), "not an address", nil); err == nil {
		t.Error("an impossible address was served")
	}
}
