package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// addresses sets variables to loopback addresses on which nobody listens: addresses NAME...
func addresses(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: addresses NAME...")
	}
	for _, name := range args {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
		ts.Check(err)
		defer func() { ts.Check(l.Close()) }() // all stay taken until each has its own
		ts.Setenv(name, l.Addr().String())
	}
}

// answersWithin is generous: the machine may be busy.
const answersWithin = 20 * time.Second

// answers waits until a URL answers with a status: answers URL STATUS
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: answers URL STATUS")
	}
	ctx, cancel := context.WithTimeout(context.Background(), answersWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		last := answer(ctx, args[0])
		if last == args[1] {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("%s answers with %s, want %s", args[0], last, args[1])
		}
	}
}

// answer is the status of a URL, or why there is none.
func answer(ctx context.Context, url string) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	r.Close = true // no connection is left for the next process on the same address
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	if err := a.Body.Close(); err != nil {
		return err.Error()
	}
	return strconv.Itoa(a.StatusCode)
}

// signals sends a signal to the process that was started last in the background: signals HUP|INT|TERM
func signals(ts *testscript.TestScript, neg bool, args []string) {
	known := map[string]os.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM}
	started := ts.BackgroundCmds()
	if neg || len(args) != 1 || known[args[0]] == nil || len(started) == 0 {
		ts.Fatalf("usage: signals HUP|INT|TERM, after a command in the background")
	}
	ts.Check(started[len(started)-1].Process.Signal(known[args[0]]))
}
