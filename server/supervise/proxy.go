package supervise

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/store"
)

// maxRequests bounds how many requests are with the child at the same time: each costs memory on this side too.
const maxRequests = 256

// Proxy passes requests on to the child as they are, and its answers as they come: those of unknown length piece by
// piece. While the child is away, the answer is
// 503 with Retry-After. Paths under /-/ are between the two processes: they are not found.
func (c *Child) Proxy() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "store"})
			r.SetXForwarded()
		},
		Transport: c.socket, ErrorHandler: c.failed,
		ErrorLog: slog.NewLogLogger(c.config.Log.Handler(), slog.LevelDebug),
	}
	inside := make(chan struct{}, maxRequests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/-/"):
			store.Problem{Title: "Not found", Status: http.StatusNotFound}.Write(w)
			return
		case !c.Up():
			c.away(w)
			return
		}
		select {
		case inside <- struct{}{}:
			defer func() { <-inside }()
			proxy.ServeHTTP(w, r)
		default:
			store.Problem{
				Title: "Store busy", Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
				Detail: "Too many requests are with the store already.",
			}.Write(w)
		}
	})
}

// failed answers when the child did not.
func (c *Child) failed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the client is gone
	}
	c.config.Log.Debug("a request to the store failed", "path", r.URL.Path, "error", err)
	c.away(w)
}

// away says that the child is away, and when it is worth to come back.
func (c *Child) away(w http.ResponseWriter) {
	s := c.Status()
	p := store.Problem{
		Title: "Store away", Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
		Detail: "The store process is " + string(s.State) + ". Requests through the gateway are served all the same.",
	}
	if s.State == Up {
		p.Detail = "The store process did not answer. Requests through the gateway are served all the same."
	}
	p.RetryAfter = max(p.RetryAfter, time.Until(s.Retry))
	p.Write(w)
}
