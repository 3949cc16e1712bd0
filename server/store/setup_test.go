package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/store"
	"github.com/gabion-io/gabion/server/store/frame"
)

// part is a part that writes down what happens to it.
type part struct {
	name      string
	log       *journal
	opening   chan struct{} // when not nil, Open waits for it
	openError error
	close     func(ctx context.Context) error
	take      func(kind string, items [][]byte) (int, error)
}

type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, " ")
}

func (p *part) Name() string { return p.name }

func (p *part) Open(ctx context.Context) error {
	p.log.add("open-%s", p.name)
	if p.opening != nil {
		select {
		case <-p.opening:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return p.openError
}

func (p *part) Handle(mux *http.ServeMux) {
	mux.HandleFunc("GET /"+p.name, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "from "+p.name) })
	mux.HandleFunc("GET /"+p.name+"/wait", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		<-time.After(50 * time.Millisecond) // it has something left to do
		p.log.add("request-ended")
	})
}

func (p *part) Close(ctx context.Context) error {
	p.log.add("close-%s", p.name)
	if p.close != nil {
		return p.close(ctx)
	}
	return nil
}

// taker is a part that takes items.
type taker struct{ *part }

func (p taker) Kinds() []string { return []string{p.name} }

func (p taker) Take(_ context.Context, kind string, items [][]byte) (int, error) {
	if p.take != nil {
		return p.take(kind, items)
	}
	p.log.add("%s:%s", kind, bytes.Join(items, []byte(",")))
	return len(items), nil
}

// bundle is a store that runs in the process of the test.
type bundle struct {
	dir    string
	parent *io.PipeWriter
	client *http.Client
	ended  chan error
	log    *journal
}

// start runs a store. change may alter the settings.
func start(t *testing.T, log *journal, change func(*store.Settings), parts ...store.Part) *bundle {
	t.Helper()
	in, parent := io.Pipe()
	b := &bundle{dir: filepath.Join(t.TempDir(), "data"), parent: parent, ended: make(chan error, 1), log: log}
	socket, err := store.SocketPath(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	b.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	t.Cleanup(b.client.CloseIdleConnections)
	settings := store.Settings{Dir: b.dir, Instance: "it", Stop: 5 * time.Second}
	if change != nil {
		change(&settings)
	}
	go func() {
		b.ended <- store.Run(t.Context(), store.Config{
			In: in, Log: slog.New(slog.DiscardHandler),
			Parts: func(store.Env) ([]store.Part, error) { return parts, nil },
		})
	}()
	if err := json.NewEncoder(parent).Encode(settings); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { parent.Close() })
	return b
}

// get is the status and the body of an answer; 0 when there is none.
func (b *bundle) get(path string) (int, string) {
	answer, err := b.client.Get("http://store" + path)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body)
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for late := time.After(20 * time.Second); !ok(); {
		select {
		case <-late:
			t.Fatal("not in time: " + what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (b *bundle) ready(t *testing.T) {
	t.Helper()
	until(t, "ready", func() bool { code, _ := b.get("/readyz"); return code == http.StatusOK })
}

// end lets the parent go away and returns how the store ended.
func (b *bundle) end(t *testing.T) error {
	t.Helper()
	b.parent.Close()
	select {
	case err := <-b.ended:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the store does not end")
		return nil
	}
}

// sent is the answer to a batch.
type sent struct {
	status        int
	next, refused string
}

// send posts items, "kind=payload" each.
func (b *bundle) send(t *testing.T, sender string, first int, items ...string) sent {
	t.Helper()
	var body []byte
	for _, item := range items {
		kind, payload, _ := strings.Cut(item, "=")
		body = frame.Append(body, kind, []byte(payload))
	}
	return b.sendRaw(t, sender, strconv.Itoa(first), body)
}

func (b *bundle) sendRaw(t *testing.T, sender, first string, body []byte) sent {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://store"+frame.Path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(frame.Sender, sender)
	r.Header.Set(frame.First, first)
	answer, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return sent{answer.StatusCode, answer.Header.Get(frame.Next), answer.Header.Get(frame.Refused)}
}

var errBroken = errors.New("broken")
