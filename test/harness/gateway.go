package harness

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/process"
)

// Config is a gabion.yaml, in the pieces that tests vary.
type Config struct {
	// Gateway holds further keys of the section gateway, each on its own line without indentation.
	Gateway string
	// Listen is the value of gateway.listen, with %q for the gateway's address. Default: that address alone.
	Listen string
	// Rest is everything after the section gateway: services, routes, limits.
	Rest string
	// Keeps says that the gateway keeps metrics and logs, as it does by default. The store has tests of its own; in all others it would
	// only take the processor.
	Keeps bool
	// Data is the directory of what the gateway keeps. Default: one that is empty when the gateway starts.
	Data string
}

// Gateway is a running gabion.
type Gateway struct {
	*process.Process
	// Address is where requests go, Admin where the API is, both as host:port.
	Address, Admin string
	file           string
}

const (
	// startWithin is generous: the binary may be built with the race detector, and the machine be busy.
	startWithin = 30 * time.Second
	// stopWithin is more than the drain of any test.
	stopWithin = 30 * time.Second
	// askWithin bounds questions to the admin API.
	askWithin = 10 * time.Second
)

// Start starts the gateway with a configuration and waits until it is ready. When the test ends it is stopped with
// SIGTERM, and the test fails unless it ends with exit code 0. Who ends it earlier says so with [Gateway.Stopped].
func Start(t testing.TB, cfg Config) *Gateway {
	t.Helper()
	g := &Gateway{Address: process.Address(t), Admin: process.Address(t), file: filepath.Join(t.TempDir(), "gabion.yaml")}
	g.Write(t, cfg)
	g.start(t, exec.Command(Binary(t), "run", "-c", g.file)) //nolint:noctx // It is stopped with the test.
	return g
}

func (g *Gateway) start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Dir = t.TempDir() // where nothing is found by accident
	g.Process = process.Start(t, "gabion", cmd)
	t.Cleanup(func() {
		if g.Running() {
			g.Stop(t, stopWithin)
		}
		if log := g.Log(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "\npanic: ") || strings.Contains(log, "\nfatal error: ") {
			t.Error("the gateway's log tells of a race or a panic")
		}
	})
	process.Until(t, startWithin, "the gateway is ready", func() bool {
		if !g.Running() {
			t.Fatalf("the gateway ended: %s", g.Log())
		}
		return g.Ready()
	})
}

// Restart starts the gateway anew after it has ended, with the same file and addresses.
func (g *Gateway) Restart(t testing.TB) {
	t.Helper()
	g.start(t, exec.Command(Binary(t), "run", "-c", g.file)) //nolint:noctx // It is stopped with the test.
}

// Write replaces the configuration file at once, as a careful editor does. The gateway notices by itself.
func (g *Gateway) Write(t testing.TB, cfg Config) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "gateway:\n  admin: %q\n  listen: ", g.Admin)
	fmt.Fprintf(&b, cmp.Or(cfg.Listen, "%q")+"\n", g.Address)
	for line := range strings.Lines(cfg.Gateway) {
		b.WriteString("  " + strings.TrimRight(line, "\n") + "\n")
	}
	data := "off"
	if cfg.Keeps {
		data = cmp.Or(cfg.Data, g.Data())
	}
	fmt.Fprintf(&b, "data: %q\n%s\n", data, cfg.Rest)
	if err := os.WriteFile(g.file+".new", []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(g.file+".new", g.file); err != nil {
		t.Fatal(err)
	}
}

// Reload writes a configuration, sends SIGHUP and waits until it is in force, or refused. It gives what the gateway
// said about it, "" when it is in force.
func (g *Gateway) Reload(t testing.TB, cfg Config) (refused string) {
	t.Helper()
	before := g.Status(t).Config
	g.Write(t, cfg)
	g.Signal(t, syscall.SIGHUP)
	process.Until(t, askWithin, "the configuration is in force or refused", func() bool {
		now := g.Status(t).Config
		refused = now.Error
		return now.Generation > before.Generation || now.Tried.After(before.Tried)
	})
	return refused
}

// Ready says whether /readyz is green.
func (g *Gateway) Ready() bool {
	status, _, err := g.ask("/readyz")
	return err == nil && status == http.StatusOK
}

// Status is the part of /api/v1/status that tests look at.
type Status struct {
	Config struct {
		Generation uint64    `json:"generation"`
		Tried      time.Time `json:"tried"`
		Error      string    `json:"error"`
	} `json:"config"`
}

// Status asks the admin API for the state of the gateway.
func (g *Gateway) Status(t testing.TB) Status {
	t.Helper()
	var s Status
	if err := json.Unmarshal([]byte(g.Get(t, "/api/v1/status")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// Get asks the admin listener and fails the test unless it answers 200.
func (g *Gateway) Get(t testing.TB, path string) string {
	t.Helper()
	status, body, err := g.ask(path)
	if err != nil || status != http.StatusOK {
		t.Fatalf("GET %s: %d %v\n%s", path, status, err, body)
	}
	return body
}

// admin has no keep-alive, so that a gateway that stops is not held up by the test's own connections.
var admin = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: askWithin}

// Data is the default directory of what the gateway keeps.
func (g *Gateway) Data() string { return filepath.Join(filepath.Dir(g.file), "data") }

func (g *Gateway) ask(path string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.Admin+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := admin.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}
