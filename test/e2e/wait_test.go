package e2e

import (
	"encoding/json"
	"fmt"
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
