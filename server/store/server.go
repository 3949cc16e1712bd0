package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gabion-io/gabion/server/store/disk"
	"github.com/gabion-io/gabion/server/store/frame"
)

// StatusPath is where the parent asks for [Status].
const StatusPath = "/-/status"

// Status is how the child is.
type Status struct {
	Instance string `json:"instance"`
	// Ready says that all parts are open.
	Ready bool `json:"ready"`
	// Doing says what it does: starting, opening the NAME, serving or closing.
	Doing string `json:"doing"`
	// Disk is the state of the disk, ok, low or full, and DiskReason why.
	Disk       string `json:"disk"`
	DiskReason string `json:"disk_reason,omitempty"`
	// Refused counts items that no part will ever take.
	Refused uint64 `json:"refused"`
}

// errServing says that the socket is not served any more.
var errServing = errors.New("serving the socket")

// server is the child at work.
type server struct {
	settings Settings
	log      *slog.Logger
	fail     context.CancelCauseFunc // ends everything
	http     *http.Server
	gate     gate
	taking   sync.Mutex // one batch of items after the other

	mu      sync.Mutex
	doing   string
	ready   bool
	guard   *disk.Guard
	mux     *http.ServeMux // of the parts
	by      map[string]Taker
	done    map[string]uint64 // by sender: the next item
	refused uint64
}

// listen serves the socket. The lock of the directory is held: a socket that is there belongs to nobody.
func (s *server) listen(ctx context.Context) error {
	path, err := SocketPath(s.settings.Dir)
	if err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way of the store's socket, and is none: move it elsewhere", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the socket of an earlier process: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil { // it was never more: the umask sees to that
		return errors.Join(err, listener.Close())
	}
	s.set("starting")
	s.http = &http.Server{
		Handler: s.handler(), BaseContext: func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	go func() { // it ends when the server is closed
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("%w: %w", errServing, err))
		}
	}()
	return nil
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if status := s.status(); !status.Ready {
			text(w, http.StatusServiceUnavailable, status.Doing)
			return
		}
		text(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET "+StatusPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		// A parent that is gone is not told.
		_ = json.NewEncoder(w).Encode(s.status())
	})
	mux.HandleFunc("POST "+frame.Path, s.inside(s.feed))
	mux.HandleFunc("/", s.inside(func(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }))
	return mux
}

// inside lets requests in while the parts are open.
func (s *server) inside(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.gate.enter() {
			Problem{
				Title: "Store not ready", Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
				Detail: "The store is " + s.status().Doing + ".",
			}.Write(w)
			return
		}
		defer s.gate.leave()
		handle(w, r)
	}
}

// open lets requests in.
func (s *server) open(parts []Part, by map[string]Taker) {
	s.mux, s.by = http.NewServeMux(), by // nobody reads them before the gate is open
	for _, p := range parts {
		p.Handle(s.mux)
	}
	s.gate.open()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doing, s.ready = "serving", true
}

// set says what the server does until it serves, and after.
func (s *server) set(doing string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doing, s.ready = doing, false
}

func (s *server) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := Status{Instance: s.settings.Instance, Ready: s.ready, Doing: s.doing, Refused: s.refused, Disk: disk.OK.String()}
	if s.guard != nil {
		status.Disk, status.DiskReason = s.guard.State().String(), s.guard.Reason()
	}
	return status
}

func text(w http.ResponseWriter, code int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	fmt.Fprintln(w, line)
}
