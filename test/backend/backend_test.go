package backend

import (
	"context"
	"io"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/payload"
	"github.com/gabion-io/gabion/test/process"
)

func TestMain(m *testing.M) {
	if process.Role() == Role {
		Main()
		return
	}
	os.Exit(m.Run())
}

func ask(t *testing.T, b *Backend, method, id string) (int, []byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, b.URL()+"/item", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(payload.ID, id)
	req.Header.Set(payload.Size, "1000")
	req.Close = true // each request shows one behaviour, on a connection that nothing happened to before
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

func TestBehaviours(t *testing.T) {
	b := Start(t, "b1", Behaviour{})
	for _, c := range []struct {
		behaviour Behaviour
		status    int
		whole     bool
	}{
		{Behaviour{}, 200, true},
		{Behaviour{Mode: Drip, Work: 20 * time.Millisecond}, 200, true},
		{Behaviour{Mode: Status, Status: 503}, 503, false},
		{Behaviour{Mode: Status, Status: 500}, 500, false},
		{Behaviour{Mode: Hang}, 0, false},
		{Behaviour{Mode: Reset}, 200, false},
		{Behaviour{Mode: Cut}, 200, false},
		{Behaviour{Mode: Garbage}, 0, false},
		{Behaviour{Mode: Raw, Raw: "HTTP/1.1 204 No Content\r\n\r\n"}, 204, false},
	} {
		b.Set(t, c.behaviour)
		status, body, err := ask(t, b, http.MethodGet, "x")
		// A reset may overtake the half answer before it.
		if status != c.status && !(c.behaviour.Mode == Reset && status == 0) {
			t.Errorf("%+v: answered %d, %v", c.behaviour, status, err)
		}
		if whole := err == nil && payload.Check("x", 1000, body) == nil; whole != c.whole {
			t.Errorf("%+v: whole is %v: %d bytes, %v", c.behaviour, whole, len(body), err)
		}
		if resp, err := http.Get(b.URL() + "/healthz"); err != nil || resp.StatusCode != 200 {
			t.Errorf("%+v: the health page is not green: %v", c.behaviour, err)
		}
	}
	b.Set(t, Behaviour{Health: 500})
	if resp, err := http.Get(b.URL() + "/healthz"); err != nil || resp.StatusCode != 500 {
		t.Errorf("the health page is %v, %v, want 500", resp.StatusCode, err)
	}
}

func TestMaxRate(t *testing.T) {
	b := Start(t, "b1", Behaviour{MaxRate: 3})
	refused := 0
	for range 20 { // more than two seconds' worth, whenever a second ends
		if status, _, _ := ask(t, b, http.MethodGet, "x"); status == 503 {
			refused++
		}
	}
	if refused < 5 || refused == 20 {
		t.Errorf("%d of 20 were refused", refused)
	}
}

// What was counted before a SIGKILL is not lost, and executions in two places are found.
func TestJournalSurvives(t *testing.T) {
	b1, b2 := Start(t, "b1", Behaviour{}), Start(t, "b2", Behaviour{})
	for _, r := range []struct {
		b  *Backend
		id string
	}{{b1, "once"}, {b1, "twice"}, {b2, "twice"}, {b2, "thrice"}, {b2, "thrice"}} {
		ask(t, r.b, http.MethodPost, r.id)
	}
	b1.Kill(t)
	if _, _, err := ask(t, b1, http.MethodPost, "never"); err == nil {
		t.Error("a killed backend answered")
	}
	b1.Restart(t)
	ask(t, b1, http.MethodPost, "thrice")
	ask(t, b1, http.MethodGet, "once")
	if got := Twice(t, http.MethodPost, b1, b2); !slices.Equal(got, []string{"thrice", "twice"}) && !slices.Equal(got, []string{"twice", "thrice"}) {
		t.Errorf("executed twice: %v", got)
	}
	if n := Arrivals(t, b1, b2); n != 7 {
		t.Errorf("%d arrivals, want 7", n)
	}
}

func TestFreeze(t *testing.T) {
	b := Start(t, "b1", Behaviour{})
	b.Freeze(t)
	if _, _, err := ask(t, b, http.MethodGet, "x"); err == nil {
		t.Error("a frozen backend answered")
	}
	b.Thaw(t)
	if status, _, err := ask(t, b, http.MethodGet, "x"); status != 200 {
		t.Errorf("a thawed backend answered %d, %v", status, err)
	}
}
