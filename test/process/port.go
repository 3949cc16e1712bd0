package process

import (
	"fmt"
	"net"
	"sync"
	"testing"
)

// Ports are handed out from blocks below the range that the kernel takes for outgoing connections. Otherwise a
// client's connection could sit on the port of a server that a test is about to start again. The first port of a
// block is held by the test binary that owns it, so that test binaries which run side by side do not meet.
const (
	firstPort = 20_000
	lastPort  = 32_000
	blockSize = 200
)

// block is what is left of this process's ports.
type block struct {
	mu         sync.Mutex
	held       net.Listener
	first, now int
}

var ports block

// Address gives a free address on loopback that no other call gave before.
func Address(t testing.TB) string {
	t.Helper()
	address, err := ports.next()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func (b *block) next() (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held == nil || b.now == b.first+blockSize-1 {
		if err := b.take(); err != nil {
			return "", err
		}
	}
	for b.now++; b.now < b.first+blockSize; b.now++ {
		address := fmt.Sprintf("127.0.0.1:%d", b.now)
		if l, err := net.Listen("tcp", address); err == nil { //nolint:noctx // it returns at once
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("no free port from %d on", b.first)
}

// take looks for a block that no other process holds. Blocks taken before stay held: their ports are in use.
func (b *block) take() error {
	for first := max(firstPort, b.first+blockSize); first < lastPort; first += blockSize {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first)); err == nil { //nolint:noctx // it returns at once
			b.held, b.first, b.now = l, first, first
			return nil
		}
	}
	return fmt.Errorf("no free block of ports between %d and %d", firstPort, lastPort)
}
