package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/httpx"
	"github.com/gabion-io/gabion/shed"
)

// serve is the server's process. It tells its address, and then its processor time for each line that it is sent.
func serve(mode string) error {
	handler, err := protected(mode)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it returns at once
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Println(listener.Addr())
	for line := [1]byte{}; ; {
		if _, err := os.Stdin.Read(line[:]); err != nil {
			_ = server.Close() // the parent has gone, and this was all
			if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
				return ended
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if line[0] == '\n' {
			var used syscall.Rusage
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
				return err
			}
			fmt.Println(used.Utime.Nano() + used.Stime.Nano())
		}
	}
}

// protected is the handler: so many workers, each of which takes its time, and what decides who gets there.
func protected(mode string) (http.Handler, error) {
	if mode == bare {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }), nil
	}
	free := make(chan struct{}, workers)
	work := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		free <- struct{}{} // whether the client still waits or not, as in most servers
		time.Sleep(takes)
		<-free
		_, _ = io.WriteString(w, "done") // a client that is gone is not told
	})
	cfg := shed.Config{Mode: mode, Deadline: deadline}
	if mode == shed.ModePool {
		cfg.Concurrency = workers
	}
	guard, err := shed.New(cfg)
	if err != nil {
		return nil, err
	}
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{guard}})
	if err != nil {
		return nil, err
	}
	return httpx.NewHandler(httpx.HandlerConfig{Pipe: pipe}, work)
}
