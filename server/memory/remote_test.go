package memory_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"

	"github.com/gabion-io/gabion/server/memory"
)

// TestForwardedMetrics: what comes in goes to another store, and one that cannot be is no reason to stop.
func TestForwardedMetrics(t *testing.T) {
	got := make(chan string, 100)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		packed, err := io.ReadAll(r.Body)
		body, unpacked := snappy.Decode(nil, packed)
		got <- fmt.Sprint(r.Header.Get("Authorization"), " ", string(body), err, unpacked)
	}))
	t.Cleanup(other.Close)
	b := setup(t, memory.Settings{Metrics: memory.Metrics{Forward: []memory.Receiver{
		{URL: "nowhere"}, // is left out
		{URL: other.URL + "/same"},
		{URL: other.URL + "/same"},
		{URL: other.URL, Header: http.Header{"Authorization": {"Bearer x"}}, Labels: map[string]string{"cluster": "north"}},
	}}})
	if code, body := b.do(http.MethodPost, "/api/v1/metrics", "orders_total 7\n"); code != http.StatusOK {
		t.Fatal(code, body)
	}
	described := false
	for late := time.After(time.Minute); ; {
		select {
		case text := <-got:
			described = described || strings.Contains(text, "Series that have had samples lately")
			if strings.HasPrefix(text, "Bearer x ") && strings.Contains(text, "orders_total") {
				if got := b.ask("count by (to) (gabion_forward_buffered)"); !strings.Contains(got, "/same #2") {
					t.Errorf("the second of two with the same address is not told apart: %s", got)
				}
				if !strings.HasPrefix(text, "Bearer x ") || !strings.Contains(text, "north") || !strings.HasSuffix(text, "<nil> <nil>") {
					t.Errorf("%q", text)
				}
				if !described {
					t.Error("nobody is told what the store's own metrics mean")
				}
				return
			}
		case <-late:
			t.Fatal("nothing came")
		}
	}
}

// TestForwardingThatFails does not keep the store from ending in time.
func TestForwardingThatFails(t *testing.T) {
	b := setup(t, memory.Settings{Metrics: memory.Metrics{Forward: []memory.Receiver{{URL: "http://127.0.0.1:1/"}}}})
	b.do(http.MethodPost, "/api/v1/metrics", "orders_total 7\n")
	began := time.Now()
	b.close()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}
