package logs

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/gabion-io/gabion/server/mask"
)

func TestIdentitiesAreNeverMixedUp(t *testing.T) {
	ids := newIdentities()
	long := strings.Repeat("x", maxIdentity+1)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 10_000 {
				value := fmt.Sprint("key-", i%3000)
				if got := ids.show(value); got != mask.Key(value) {
					t.Errorf("%s is shown as %s", value, got)
					return
				}
			}
		})
	}
	group.Wait()
	for _, value := range []string{"192.0.2.7", long} {
		if got := ids.show(value); got != mask.Key(value) {
			t.Errorf("%s is shown as %s", value, got)
		}
	}
	for i := range ids.places {
		if p := ids.places[i].Load(); p != nil && p.value == long {
			t.Error("a long identity is remembered")
		}
	}
}

func BenchmarkLine(b *testing.B) {
	x, ids := served(), newIdentities()
	line := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		line = appendLine(line[:0], x, 0, ids)
	}
}
