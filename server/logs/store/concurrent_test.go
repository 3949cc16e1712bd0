package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/journal"
)

// Who appends, asks, seals, merges and drops at the same time sees every line once from the moment on that it was taken.
func TestAllAtOnce(t *testing.T) {
	const writers, batches = 4, 60
	s := open(t, t.TempDir(), Options{Where: "level>=error", SealBytes: 4000, Now: (&clock{start}).Now})
	ctx, cancel := context.WithCancel(t.Context())
	var beside, writing sync.WaitGroup
	beside.Go(func() { s.seals(ctx) })
	beside.Go(func() {
		for ctx.Err() == nil {
			if err := s.tendOnce(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	beside.Go(func() {
		for ctx.Err() == nil {
			seen := map[string]bool{}
			for _, text := range texts(t, s, everything()) {
				if seen[text] {
					t.Errorf("%q is there twice", text)
				}
				seen[text] = true
			}
		}
	})
	for w := range writers {
		writing.Go(func() {
			for i := range batches {
				text := fmt.Sprint("writer ", w, " line ", i)
				level := []entry.Level{entry.Info, entry.Error}[i%2]
				for errors.Is(s.Append(ctx, []entry.Entry{line(start, level, fmt.Sprint(w), text)}), ingest.ErrFull) {
				}
				if i%20 == 0 && !containsAll(texts(t, s, everything()), []string{text}) {
					t.Errorf("%q was taken and is not there", text)
				}
			}
		})
	}
	writing.Wait()
	cancel()
	beside.Wait()
	if got := texts(t, s, everything()); len(got) != writers*batches {
		t.Errorf("%d lines, want %d", len(got), writers*batches)
	}
	if st := s.Status(); s.next < 4 || st.Failures != 0 || st.Taken != writers*batches {
		t.Errorf("%+v", st)
	}
}

// A query that has begun ends as it began, whatever is merged and dropped meanwhile.
func TestAQueryKeepsItsFiles(t *testing.T) {
	c := &clock{start}
	s := open(t, t.TempDir(), Options{Now: c.Now})
	sealed(t, s, entry.Info, numbers(mergeMost)...)
	n := 0
	for _, err := range s.Select(t.Context(), everything()) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			tendNow(t, s) // merges
			c.now = c.now.Add(1000 * day)
			tendNow(t, s) // drops
		}
	}
	if got := texts(t, s, everything()); n != mergeMost || len(got) != 0 {
		t.Errorf("%d lines, then %d", n, len(got))
	}
}

// Without its journal, a store takes nothing.
func TestAppendAfterTheEnd(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	shut(t, s)
	if err := s.Append(t.Context(), []entry.Entry{line(start, entry.Info, "a", "late")}); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if st := s.Status(); st.Taken != 0 || st.Refused != 1 || st.MemoryLines != 0 || s.coming != 0 {
		t.Errorf("%+v, %d bytes to come", st, s.coming)
	}
}
