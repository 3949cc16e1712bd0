package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/harness"
)

// A client that waits exactly as long as it is told succeeds, whichever limit it met.
func TestWhoWaitsAsToldSucceeds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ limit, work string }{
		"requests":    {"requests: 5/s, burst: 2", "1ms"},
		"server time": {"server_time: 100ms/s", "120ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backends := replicas(t, 1)
			g := harness.Start(t, limited(c.limit, standard, backends...))
			conn := g.Dial(t, 60*time.Second)
			request := fmt.Sprintf("GET /item HTTP/1.1\r\nHost: x\r\nX-User: u\r\nX-Load-Work: %s\r\n\r\n", c.work)
			refusals := 0
			for i := 0; refusals < 5; i++ {
				answer, err := conn.Ask("GET", request)
				if err != nil || i > 100 {
					t.Fatalf("request %d: %v", i, err)
				}
				if answer.Status == 200 {
					continue
				}
				var problem struct {
					Type       string  `json:"type"`
					RetryAfter float64 `json:"retry_after_ms"`
				}
				if err := json.Unmarshal([]byte(answer.Body), &problem); err != nil || answer.Status != 429 || problem.RetryAfter <= 0 {
					t.Fatalf("request %d: %+v, %v", i, answer, err)
				}
				refusals++
				timer := time.NewTimer(time.Duration(problem.RetryAfter) * time.Millisecond)
				<-timer.C
				if answer, err := conn.Ask("GET", request); err != nil || answer.Status != 200 {
					t.Errorf("after the wait: %+v, %v", answer, err)
				}
			}
		})
	}
}

// A request with a body that is refused before its body was read leaves a connection that can be used, or says that
// it does not. Otherwise the refusal of one request breaks the next.
func TestRefusalDoesNotBreakTheNextRequest(t *testing.T) {
	t.Parallel()
	backends := replicas(t, 1)
	g := harness.Start(t, limited("requests: 1/h, burst: 1", standard, backends...))
	for _, size := range []int{5, 20_000, 500_000} {
		conn := g.Dial(t, 20*time.Second)
		request := fmt.Sprintf("POST /item HTTP/1.1\r\nHost: x\r\nX-User: u\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("a", size))
		for i := range 5 {
			answer, err := conn.Ask("POST", request)
			if err != nil || answer.Status != 429 && answer.Status != 200 {
				t.Errorf("%d bytes, request %d on the connection: %+v, %v", size, i, answer, err)
				break
			}
			if answer.Close {
				break
			}
		}
	}
}
