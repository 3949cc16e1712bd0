package harness

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/process"
)

// proxyRole is the role of a test binary that is a plain proxy.
const proxyRole = "proxy"

// StartProxy starts a plain proxy in a process of its own, which sends requests to the targets in turn and protects
// from nothing. The scenarios of this package's tests must fail with it: it shows that failures are seen.
func StartProxy(t testing.TB, targets ...string) *Gateway {
	t.Helper()
	g := &Gateway{Address: process.Address(t), Admin: process.Address(t)}
	g.start(t, process.Self(proxyRole, append([]string{g.Address, g.Admin}, targets...)...))
	return g
}

// proxyMain is the proxy's process. Its arguments are its two addresses and the targets.
func proxyMain() {
	address, adminAddress, targets := os.Args[1], os.Args[2], os.Args[3:]
	var next atomic.Uint64
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		target, err := url.Parse(targets[next.Add(1)%uint64(len(targets))])
		if err != nil {
			panic(err)
		}
		r.SetURL(target)
	}}
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	failed := make(chan error, 2)
	serve := func(address string, handler http.Handler) {
		server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: time.Minute}
		failed <- server.ListenAndServe()
	}
	go serve(address, proxy)
	go serve(adminAddress, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/readyz") {
			http.NotFound(w, r)
		}
	}))
	select {
	case err := <-failed:
		fmt.Fprintln(os.Stderr, "proxy:", err)
		os.Exit(1)
	case <-stopped.Done():
	}
}
