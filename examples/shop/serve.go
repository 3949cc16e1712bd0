package shop

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// stopWithin bounds how long requests in flight may take once a service is told to stop.
const stopWithin = 10 * time.Second

// Serve listens on addr and serves handler until ctx ends. Then it takes no new requests, finishes those in flight,
// for at most ten seconds, and returns nil.
func Serve(ctx context.Context, addr string, handler http.Handler) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return ServeOn(ctx, listener, handler)
}

// ServeOn is [Serve] on a listener, which it closes.
func ServeOn(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		stopped <- server.Shutdown(bounded)
	})
	err := server.Serve(listener)
	if stop() {
		return err // It ended by itself, so something is wrong with the listener.
	}
	return errors.Join(<-stopped, ignoreClosed(err))
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
