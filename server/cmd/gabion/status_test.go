package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/status"
	"github.com/gabion-io/gabion/server/view"
)

// running is the admin API of a gateway that takes 100 requests between any two looks, and wants a token.
func running(t *testing.T) (address string) {
	t.Helper()
	var looks atomic.Uint64
	started := time.Now().UTC().Add(-time.Hour)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"title":"Token needed","detail":"Send it."}`))
			return
		}
		var answer any = status.Top{By: status.ByRequests, Users: []status.Usage{{Limit: "per-user", Key: "10.0.0.1", Requests: 5}}}
		if r.URL.Path == "/api/v1/status" {
			n := looks.Add(1) * 100
			answer = status.Report{
				Now: time.Now().UTC(), Process: status.Process{Version: "1.2.3", State: status.Serving, Started: started},
				Routes: []status.Route{{Name: "product", Service: "catalog", Requests: n, Codes: map[string]uint64{"200": n}}},
			}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func runCommand(t *testing.T, env []string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &stdout, err: &stderr, env: env}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	code = p.execute(ctx, args)
	return code, stdout.String(), stderr.String()
}

func TestStatusCommand(t *testing.T) {
	address := running(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := runCommand(t, nil, "status", "--admin", address, "--token-file", file)
	if code != exitOK || !strings.Contains(out, "gabion 1.2.3  serving  up 1h0m") || !strings.Contains(out, "product") || strings.Contains(out, "\x1b") {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
	var report status.Report
	code, out, errOut = runCommand(t, []string{"GABION_TOKEN=s3cret", "GABION_GATEWAY_ADMIN=" + address}, "status", "--json")
	if err := json.Unmarshal([]byte(out), &report); code != exitOK || err != nil || report.Process.Version != "1.2.3" || report.Now.Location() != time.UTC {
		t.Errorf("%d %v\n%s%s", code, err, out, errOut)
	}
	if code, out, errOut = runCommand(t, nil, "status", "--admin", address); code != exitError || out != "" || !strings.Contains(errOut, "401 Token needed: Send it.") {
		t.Errorf("without a token: %d\n%s%s", code, out, errOut)
	}
	if code, _, errOut = runCommand(t, nil, "status", "--admin", "nonsense"); code != exitError || !strings.Contains(errOut, "host:port") {
		t.Errorf("nonsense: %d %s", code, errOut)
	}
	if code, _, errOut = runCommand(t, nil, "status", "--admin", address, "--token-file", file+"x"); code != exitError || !strings.Contains(errOut, "token") {
		t.Errorf("no token file: %d %s", code, errOut)
	}
}

func TestTopCommand(t *testing.T) {
	address, env := running(t), []string{"GABION_TOKEN=s3cret"}
	code, out, errOut := runCommand(t, env, "top", "--admin", address, "--once", "--every", "100ms")
	if code != exitOK || !strings.Contains(out, "PER SECOND") || !strings.Contains(out, "10.0.0.1") || strings.Contains(out, "\x1b") {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
	var load view.Load
	code, out, errOut = runCommand(t, env, "top", "--admin", address, "--once", "--every", "100ms", "--json")
	if err := json.Unmarshal([]byte(out), &load); code != exitOK || err != nil || strings.Count(out, "\n") != 1 {
		t.Fatalf("%d %v\n%s%s", code, err, out, errOut)
	}
	// 100 requests in the time between two looks, whatever that was.
	if r := load.Routes[0]; r.Name != "product" || r.PerSecond*load.Seconds < 99.9 || r.PerSecond*load.Seconds > 100.1 || len(load.ByServerTime) != 1 {
		t.Errorf("%+v", load)
	}
	if code, _, _ = runCommand(t, env, "top", "--admin", address, "--every", "1ms"); code != exitUsage {
		t.Errorf("--every 1ms exits with %d", code)
	}
	if code, _, errOut = runCommand(t, nil, "top", "--admin", address, "--once"); code != exitError || !strings.Contains(errOut, "401") {
		t.Errorf("without a token: %d %s", code, errOut)
	}
}

// endAfter cancels when so many lines were written.
type endAfter struct {
	text  bytes.Buffer
	lines int
	end   context.CancelFunc
}

func (w *endAfter) Write(p []byte) (int, error) {
	if w.lines--; w.lines == 0 {
		w.end()
	}
	return w.text.Write(p)
}

func TestTopGoesOnUntilItIsEnded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out := &endAfter{lines: 3, end: cancel}
	var errOut bytes.Buffer
	p := &program{out: out, err: &errOut, env: []string{"GABION_TOKEN=s3cret"}}
	code := p.execute(ctx, []string{"top", "--admin", running(t), "--every", "100ms", "--json"})
	if code != exitOK || strings.Count(out.text.String(), "\n") != 3 {
		t.Errorf("%d\n%s%s", code, out.text.String(), errOut.String())
	}
}
