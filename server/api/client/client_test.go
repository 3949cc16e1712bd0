package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/api/client"
	"github.com/gabion-io/gabion/server/status"
)

func connect(t *testing.T, cfg client.Config, handler http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg.Address = server.URL
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestQuestions(t *testing.T) {
	var asked []string
	c := connect(t, client.Config{Token: "s3cret"}, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String()+" "+r.Header.Get("Authorization"))
		_, _ = w.Write([]byte(`{"process":{"version":"1.2.3"},"service":{"name":"a/b"},"by":"server_time","last":7}`))
	})
	report, err := c.Status(t.Context())
	if err != nil || report.Process.Version != "1.2.3" {
		t.Errorf("%v: %+v", err, report)
	}
	if d, err := c.Service(t.Context(), "a/b"); err != nil || d.Service.Name != "a/b" {
		t.Errorf("%v: %+v", err, d)
	}
	if top, err := c.Top(t.Context(), status.ByServerTime, 5); err != nil || top.By != status.ByServerTime {
		t.Errorf("%v: %+v", err, top)
	}
	if p, err := c.Events(t.Context(), 3, 9); err != nil || p.Last != 7 {
		t.Errorf("%v: %+v", err, p)
	}
	want := "/api/v1/status Bearer s3cret, /api/v1/services/a%2Fb Bearer s3cret, " +
		"/api/v1/limits/top?by=server_time&limit=5 Bearer s3cret, /api/v1/events?since=3&limit=9 Bearer s3cret"
	if have := strings.Join(asked, ", "); have != want {
		t.Errorf("asked %s\nwant  %s", have, want)
	}
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name, body, want string
		code             int
	}{
		{"problem", `{"type":"urn:gabion:problem:token-needed","title":"Token needed","status":401,"detail":"Send it."}`, "401 Token needed: Send it.", 401},
		{"not Gabion", "<html>", "404 Not Found", 404},
		{"not JSON", "<html>", "not one of Gabion's admin API", 200},
		{"elsewhere", "", "307 Temporary Redirect", 307},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := connect(t, client.Config{}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://127.0.0.1:1/")
				w.WriteHeader(test.code)
				_, _ = w.Write([]byte(test.body))
			})
			_, err := c.Status(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v", err)
			}
			if e, is := errors.AsType[*client.Error](err); is != (test.code != 200) || is && e.Status != test.code {
				t.Errorf("%#v", err)
			}
		})
	}
}

func TestAGatewayThatHangsOrIsGone(t *testing.T) {
	release := make(chan struct{})
	c := connect(t, client.Config{Timeout: 50 * time.Millisecond}, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) }) // before the server, which waits for its handlers, is closed
	if _, err := c.Status(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hangs: %v", err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	gone, err := client.New(client.Config{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "is the gateway running") || !strings.Contains(err.Error(), address) {
		t.Errorf("gone: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for _, address := range []string{"localhost", "ftp://x", "http://", "127.0.0.1:8081:1", "http://%zz"} {
		if _, err := client.New(client.Config{Address: address}); err == nil {
			t.Errorf("%q is taken", address)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{":" + port, "0.0.0.0:" + port, "[::]:" + port, "127.0.0.1:" + port, server.URL + "/"} {
		c, err := client.New(client.Config{Address: address})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Status(t.Context()); err != nil {
			t.Errorf("%q: %v", address, err)
		}
		c.Close()
	}
}
