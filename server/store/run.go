package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/gabion-io/gabion/server/store/disk"
)

// Config is what [Run] needs.
type Config struct {
	// In is the standard input: the settings come from it, and its end means that the parent is gone.
	In io.Reader
	// Log is for messages. Default: nothing is logged.
	Log *slog.Logger
	// Parts makes the parts, in the order in which they are opened.
	Parts func(Env) ([]Part, error)
}

// Run is the whole life of the process: it returns when ctx ends, on SIGTERM, when the parent is gone, or when something
// fails. The error is nil when it was told to end and everything closed in time.
func Run(ctx context.Context, cfg Config) error {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	private()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	ctx, settings, err := receive(ctx, cfg.In)
	if err != nil {
		return err
	}
	if settings.Memory > 0 {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(settings.Memory))
	}
	ctx, fail := context.WithCancelCause(ctx)
	s := &server{settings: settings, log: cfg.Log, fail: fail, done: map[string]uint64{}}
	ended := make(chan error, 1)
	go func() { ended <- s.live(ctx, cfg.Parts) }()
	select {
	case err = <-ended:
		return err
	case <-ctx.Done():
	}
	select { // what does not end by itself ends with the process
	case err = <-ended:
		return err
	case <-time.After(settings.Stop + settings.Stop/4):
		return fmt.Errorf("it did not close within %v", settings.Stop)
	}
}

// live brings everything up, waits until ctx ends, and takes everything down.
func (s *server) live(ctx context.Context, parts func(Env) ([]Part, error)) (err error) {
	release, err := takeDir(ctx, s.settings.Dir, s.settings.Stop)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := s.listen(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.http.Close()) }()
	if err := s.watchDisk(); err != nil {
		return err
	}
	beside, cancel := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() { s.guard.Run(beside); close(watched) }()
	defer func() { cancel(); <-watched }()
	made, err := parts(Env{Settings: s.settings, Guard: s.guard, Log: s.log})
	if err != nil {
		return err
	}
	return s.serve(ctx, made)
}

// serve opens the parts, serves until ctx ends, and closes them.
func (s *server) serve(ctx context.Context, parts []Part) error {
	by, err := takers(parts)
	if err != nil {
		return err
	}
	open, err := openParts(ctx, parts, func(name string) { s.set("opening the " + name) })
	if err == nil {
		s.open(parts, by)
		s.log.Info("the store is open", "dir", s.settings.Dir)
		<-ctx.Done()
	}
	s.set("closing")
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.settings.Stop)
	defer cancel()
	select {
	case <-s.gate.shut():
	case <-time.After(s.settings.Stop / 4): // whoever is still in gets errors from what is closed
	}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errServing):
		err = cause
	case cause != nil: // it was told to end: a part that did not open any more is no failure
		err = nil
	}
	err = errors.Join(err, closeParts(closing, parts[:open]))
	s.log.Info("the store is closed", "why", cause, "error", err)
	return err
}

// watchDisk makes the guard. The ballast of a disk that is full is released before the parts open.
func (s *server) watchDisk() (err error) {
	cfg := s.settings.Disk
	cfg.Dir = s.settings.Dir
	cfg.Changed = func(from, to disk.State, why string) {
		s.log.Warn("the disk changed its state", "from", from.String(), "to", to.String(), "reason", why)
	}
	guard, err := disk.New(cfg)
	s.mu.Lock()
	s.guard = guard
	s.mu.Unlock()
	return err
}
