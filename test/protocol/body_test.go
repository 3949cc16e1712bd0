package protocol

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/harness"
)

func TestLargeBodies(t *testing.T) {
	t.Parallel()
	const down, up = 128 << 20, 24 << 20
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.Copy(w, &pattern{n: down})
			return
		}
		if err := same(r.Body, up); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		}
	})
	g := harness.Start(t, harness.Config{Gateway: "drain: 2s\nmax_body: 64MiB", Rest: "services:\n  one: {endpoints: [" + url + "], timeout: {total: 1m, attempt: 1m}}\n" +
		"routes:\n  - {name: all, match: {path: /}, service: one}\n"})
	memory := g.Memory(t)
	for name, client := range map[string]*http.Client{"HTTP/1.1": http.DefaultClient, "HTTP/2": clientH2C(t)} {
		resp, err := client.Do(request(t, "GET", "http://"+g.Address, nil))
		if err != nil {
			t.Fatal(err)
		}
		if err := same(resp.Body, down); err != nil {
			t.Errorf("%s: download: %v", name, err)
		}
		resp.Body.Close()
		for _, length := range []int64{up, -1} {
			req := request(t, "POST", "http://"+g.Address, io.MultiReader(&pattern{n: up}))
			req.ContentLength = length
			if resp, body := fetch(t, client, req); resp.StatusCode != 200 {
				t.Errorf("%s: upload of length %d: %s %s", name, length, resp.Status, body)
			}
		}
	}
	// Bodies pass through; they are not kept.
	if grown := g.Memory(t) - memory; grown > harness.Room(64<<20) {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
}

// A client that does not read holds up its service, and takes no memory for it.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, &pattern{n: 1 << 30}) })
	g := before(t, url, "timeout: {total: 1m, attempt: 1m}")
	memory := g.Memory(t)
	for range 20 {
		resp, err := http.Get("http://" + g.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
	}
	timer := time.NewTimer(time.Second)
	<-timer.C
	if grown := g.Memory(t) - memory; grown > harness.Room(32<<20) {
		t.Errorf("memory grew by %d MiB for 20 clients that do not read", grown>>20)
	}
}

// Pieces of an answer and of a request travel at once, in both directions at the same time.
func TestStreaming(t *testing.T) {
	t.Parallel()
	echo := func(w http.ResponseWriter, r *http.Request) {
		// HTTP/1 needs to be told that the answer starts before the request ends.
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(200)
		http.NewResponseController(w).Flush()
		piece := make([]byte, 100)
		for {
			n, err := r.Body.Read(piece)
			w.Write(piece[:n])
			http.NewResponseController(w).Flush()
			if err != nil {
				return
			}
		}
	}
	for name, c := range map[string]struct {
		url    string
		client *http.Client
	}{
		"HTTP/2 to HTTP/2": {serveH2C(t, http.HandlerFunc(echo)), clientH2C(t)},
		"HTTP/2 to HTTP/1": {serve(t, echo), clientH2C(t)},
		"HTTP/1 to HTTP/1": {serve(t, echo), http.DefaultClient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := before(t, c.url, "")
			reader, writer := io.Pipe()
			resp, err := c.client.Do(request(t, "POST", "http://"+g.Address, reader))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			for i := range 20 { // each piece is sent when the one before has come back
				sent := fmt.Sprintf("piece %02d", i)
				go io.WriteString(writer, sent)
				got := make([]byte, len(sent))
				if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != sent {
					t.Fatalf("%q, %v", got, err)
				}
			}
			writer.Close()
			if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
				t.Errorf("%q, %v", rest, err)
			}
		})
	}
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%s %s", r.URL.Path, r.Proto)
		w.Header().Set("X-Sum", "42")
	})
	for want, url := range map[string]string{"HTTP/1.1": serve(t, handler), "HTTP/2.0": serveH2C(t, handler)} {
		t.Run("to "+want[:6], func(t *testing.T) {
			t.Parallel()
			g := before(t, url, "")
			client := clientH2C(t)
			var all sync.WaitGroup
			var wrong atomic.Value
			for i := range 200 {
				all.Go(func() {
					resp, err := client.Get(fmt.Sprintf("http://%s/%d", g.Address, i))
					if err != nil {
						wrong.Store(err.Error())
						return
					}
					defer resp.Body.Close()
					body, err := io.ReadAll(resp.Body)
					if err != nil || string(body) != fmt.Sprintf("/%d %s", i, want) || resp.ProtoMajor != 2 || resp.Trailer.Get("X-Sum") != "42" {
						wrong.Store(fmt.Sprintf("%d: %s %s %q, trailer %v, %v", i, resp.Proto, resp.Status, body, resp.Trailer, err))
					}
				})
			}
			all.Wait()
			if last := wrong.Load(); last != nil {
				t.Error(last)
			}
		})
	}
}
