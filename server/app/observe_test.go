package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/app"
)

// freeAddress is an address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // only its number was needed
	return l.Addr().String()
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read to its end
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// shows waits until the metrics have all of the lines: an answer has been read before its request is counted.
func shows(t *testing.T, url string, lines ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		text := get(t, url)
		missing := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.Contains(text, "\n"+line+"\n") })
		if len(missing) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("no %q in\n%s", missing, text)
		}
	}
}

// sendRaw sends what need not be a request, and takes the answer.
func sendRaw(t *testing.T, address, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, text)
	if _, err := io.ReadAll(conn); err != nil {
		t.Error(err)
	}
}

// TestWhatIsRemembered takes requests through the whole process, over two reloads, one of which is refused.
func TestWhatIsRemembered(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(backend.Close)
	listen, admin, path := freeAddress(t), freeAddress(t), filepath.Join(t.TempDir(), "gabion.yaml")
	write := func(more string) {
		text := fmt.Sprintf("gateway: {listen: %q, admin: %q}\nservices:\n  catalog: {endpoints: [%q]}\nroutes:\n  - {name: product, match: {path: /product/}, service: catalog}\n%s",
			listen, admin, backend.URL, more)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	var access bytes.Buffer
	a, err := app.New(app.Options{Path: path, Version: "1.2.3", Access: &access, Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	get(t, "http://"+listen+"/product/7?token=hidden")
	get(t, "http://"+listen+"/nowhere")
	sendRaw(t, listen, "nonsense\r\n\r\n")
	metrics := "http://" + admin + "/metrics"
	shows(t, metrics,
		`gabion_http_requests_total{code="200",route="product",service="catalog"} 1`,
		`gabion_http_requests_total{code="404",route="",service=""} 1`,
		`gabion_problems_total{route="",service="",type="no-route"} 1`,
		`gabion_problems_total{route="",service="",type="bad-request"} 1`,
		`gabion_endpoint_requests_total{code="2xx",endpoint="`+strings.TrimPrefix(backend.URL, "http://")+`",service="catalog"} 1`,
		`gabion_config_last_reload_success 1`,
	)

	write("limits: nonsense\n")
	if err := a.Reload(); err == nil {
		t.Error("nonsense came into force")
	}
	shows(t, metrics, `gabion_config_last_reload_success 0`)

	write("logs: {access: false}\n")
	if err := a.Reload(); err != nil {
		t.Error(err)
	}
	get(t, "http://"+listen+"/product/8")
	shows(t, metrics,
		`gabion_http_requests_total{code="200",route="product",service="catalog"} 2`,
		`gabion_config_last_reload_success 1`,
		`gabion_service_fail_open{service="catalog"} 0`,
	)
	a.Stop()

	log := access.String()
	if strings.Count(log, "\n") != 3 || !strings.Contains(log, `"problem":"bad-request"`) || !strings.Contains(log, `"path":"/product/7"`) || !strings.Contains(log, `"problem":"no-route"`) ||
		!strings.Contains(log, `"sent":5`) || strings.Contains(log, "hidden") {
		t.Errorf("access log:\n%s", log)
	}
}
