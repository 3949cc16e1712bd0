package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// watched tells when something is written.
type watched struct{ wrote chan string }

func (w watched) Write(b []byte) (int, error) {
	select {
	case w.wrote <- string(b):
	default:
	}
	return len(b), nil
}

// TestShopEndsWithTheDemo: its processes must not outlive it, however it ended.
func TestShopEndsWithTheDemo(t *testing.T) {
	in, demo := io.Pipe()
	messages := watched{make(chan string, 1)}
	p := &program{in: in, out: io.Discard, err: messages}
	ended := make(chan int, 1)
	go func() {
		ended <- p.execute(context.Background(), []string{"shop", "--role", "catalog", "--listen", "127.0.0.1:0"})
	}()
	select {
	case text := <-messages.wrote:
		if !strings.Contains(text, "serving") {
			t.Fatal(text)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not begin")
	}
	select {
	case code := <-ended:
		t.Fatalf("it ended with %d before the demo did", code)
	default:
	}
	demo.Close()
	select {
	case code := <-ended:
		if code != exitOK {
			t.Errorf("it ended with %d", code)
		}
	case <-time.After(30 * time.Second):
		t.Error("it outlives the demo")
	}
}
