package journal

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/lines"
	"github.com/gabion-io/gabion/server/logs/internal/packed"
)

// start makes n appends at once, and returns their errors when they have ended.
func start(t *testing.T, j *Journal, n int) (wait func() []error) {
	t.Helper()
	all, errs := batches(n), make([]error, n)
	var group sync.WaitGroup
	for i, b := range all {
		group.Go(func() { errs[i] = j.Append(t.Context(), packed.Pack(b, nil)) })
	}
	return func() []error {
		group.Wait()
		return errs
	}
}

func noErrors(t *testing.T, errs []error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryFS()
		j := open(t, "j", Options{FS: m, Every: time.Second})
		noErrors(t, start(t, j, 1)()) // at once
		before, began := m.count(), time.Now()
		for range 10 {
			noErrors(t, start(t, j, 500)())
		}
		if n, took := m.count()-before, time.Since(began); n > 10 || took != 10*time.Second {
			t.Errorf("%d fsyncs for 5000 appends in 10 groups, in %v", n, took)
		}
		time.Sleep(time.Minute)
		began = time.Now()
		noErrors(t, start(t, j, 1)())
		if took := time.Since(began); took != 0 {
			t.Errorf("one that comes alone waits for %v", took)
		}
		shut(t, j)
	})
}

// TestOneByOne is the negative twin of TestGroupCommit: those who do not come together share nothing.
func TestOneByOne(t *testing.T) {
	m := newMemoryFS()
	j := open(t, "j", Options{FS: m})
	for range 50 {
		noErrors(t, start(t, j, 1)())
	}
	if n := m.count(); n < 50 {
		t.Errorf("%d fsyncs", n)
	}
}

func TestDefaultInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := Open("j", Options{FS: newMemoryFS()})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 11 {
			noErrors(t, start(t, j, 20)())
		}
		if took := time.Since(began); took < 200*time.Millisecond || took > 220*time.Millisecond {
			t.Errorf("11 groups took %v", took)
		}
		shut(t, j)
	})
}

func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryFS()
		j := open(t, "j", Options{FS: m, MaxWaiting: 64 << 10})
		noErrors(t, start(t, j, 1)())
		hold := make(chan struct{})
		m.set(func(m *memoryFS) { m.hold = hold })
		first := start(t, j, 1)
		synctest.Wait() // it is in its fsync
		batch := lines.Generate(1, 60)
		var waiting sync.WaitGroup
		taken, full := 0, error(nil)
		for ; full == nil && taken < 1000; taken++ {
			refused := make(chan error, 1)
			waiting.Go(func() {
				if err := j.Append(t.Context(), packed.Pack(batch, nil)); err != nil {
					refused <- err
				}
			})
			synctest.Wait()
			select {
			case full = <-refused:
			default:
			}
		}
		if !errors.Is(full, ErrFull) || taken < 4 || taken > 20 {
			t.Errorf("after %d batches: %v", taken, full)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { gone <- j.Append(ctx, packed.Pack([]entry.Entry{{}}, nil)) }()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("canceled while it waits: %v", err)
		}
		close(hold)
		noErrors(t, first())
		waiting.Wait()
		if err := j.Append(t.Context(), packed.Pack(batch, nil)); err != nil {
			t.Errorf("when the disk is well again: %v", err)
		}
		if j.waiting != 0 {
			t.Errorf("%d bytes wait when nothing does", j.waiting)
		}
		large := lines.Generate(1, 1000)
		if err := j.Append(t.Context(), packed.Pack(large, nil)); err != nil {
			t.Errorf("one that is larger than all that may wait: %v", err)
		}
		shut(t, j)
	})
}

func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryFS()
		j := open(t, "j", Options{FS: m, Every: time.Hour})
		noErrors(t, start(t, j, 1)())
		wait := start(t, j, 30)
		synctest.Wait()
		began := time.Now()
		shut(t, j)
		noErrors(t, wait())
		if time.Since(began) != 0 {
			t.Error("it waited for the interval")
		}
		j = open(t, "j", Options{FS: m})
		if records, _ := replayAll(t, j, Position{}); len(records) != 31 {
			t.Errorf("%d records", len(records))
		}
		shut(t, j)
	})
}

// TestCloseWaitsForWhatIsEncoded closes while an Append has its room, but is not in the queue yet.
func TestCloseWaitsForWhatIsEncoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryFS()
		j := open(t, "j", Options{FS: m})
		if err := j.reserve(1000); err != nil {
			t.Fatal(err)
		}
		closed := make(chan error, 1)
		go func() { closed <- j.Close() }()
		synctest.Wait()
		b := &batch{result: make(chan error, 1)}
		b.record, b.head = encodeRecord(packed.Pack([]entry.Entry{{}}, nil))
		j.enqueue(b, 1000)
		noErrors(t, []error{<-b.result, <-closed})
	})
}

func TestDiskFull(t *testing.T) {
	for room := 0; room < 900; room += 13 {
		m := newMemoryFS()
		j := open(t, "j", Options{FS: m, MaxFile: 1200})
		m.set(func(m *memoryFS) { m.room = room })
		var want [][]entry.Entry
		failures := 0
		for i, b := range batches(12) {
			switch err := j.Append(t.Context(), packed.Pack(b, nil)); {
			case err == nil:
				want = append(want, b)
			case !errors.Is(err, ErrNoSpace) || !errors.Is(err, syscall.ENOSPC):
				t.Fatal(err)
			default:
				failures++
			}
			if i == 9 {
				m.set(func(m *memoryFS) { m.room = -1 })
			}
			records, damages := replayAll(t, j, Position{})
			if same(t, records, want); len(damages) > 0 {
				t.Fatalf("room for %d bytes: %v", room, damages[0])
			}
		}
		if failures == 0 || failures > 10 {
			t.Fatalf("room for %d bytes: %d failures", room, failures)
		}
		shut(t, j)
		j = open(t, "j", Options{FS: m})
		records, damages := replayAll(t, j, Position{})
		if same(t, records, want); len(damages) > 0 || j.Torn() != (Torn{}) {
			t.Fatalf("room for %d bytes: %v %v", room, damages, j.Torn())
		}
		shut(t, j)
	}
}

func TestFailedSync(t *testing.T) {
	m := newMemoryFS()
	j := open(t, "j", Options{FS: m})
	all := batches(6)
	appendAll(t, j, all[:2])
	m.set(func(m *memoryFS) { m.syncErr = errDisk })
	for range 3 {
		if err := j.Append(t.Context(), packed.Pack(all[5], nil)); !errors.Is(err, errDisk) || errors.Is(err, ErrNoSpace) {
			t.Fatal(err)
		}
	}
	if _, err := j.Rotate(); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	m.set(func(m *memoryFS) { m.syncErr = nil })
	appendAll(t, j, all[2:4])
	if got := j.End().File; got != 2 {
		t.Errorf("it went on in file %d, whose fsync had failed", got)
	}
	records, damages := replayAll(t, j, Position{})
	if same(t, records, all[:4]); len(damages) > 0 {
		t.Error(damages[0])
	}
}

// TestFailedUndo lets a write fail that cannot be undone before the process ends.
func TestFailedUndo(t *testing.T) {
	m := newMemoryFS()
	j := open(t, "j", Options{FS: m})
	all := batches(6)
	appendAll(t, j, all[:2])
	m.set(func(m *memoryFS) { m.cutErr, m.room = errDisk, 40 })
	for range 2 {
		if err := j.Append(t.Context(), packed.Pack(all[5], nil)); !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
	}
	records, _ := replayAll(t, j, Position{})
	same(t, records, all[:2])
	shut(t, j)
	if _, err := Open("j", Options{FS: m}); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	m.set(func(m *memoryFS) { m.cutErr, m.room = nil, -1 })
	j = open(t, "j", Options{FS: m})
	if j.Torn().From != j.End().Offset || j.Torn().To != j.End().Offset+40 {
		t.Errorf("%+v was cut, the end is %v", j.Torn(), j.End())
	}
	appendAll(t, j, all[2:])
	records, damages := replayAll(t, j, Position{})
	if same(t, records, all); len(damages) > 0 {
		t.Error(damages[0])
	}
}

// TestReplayedIsDurable kills a process between a write and its fsync, and cuts the power when the next one has opened the
// journal: what that one has read must not be gone.
func TestReplayedIsDurable(t *testing.T) {
	all := batches(3)
	for seed := range uint64(20) {
		m := newMemoryFS()
		j := open(t, "j", Options{FS: m})
		appendAll(t, j, all[:2])
		m.set(func(m *memoryFS) { m.syncErr, m.cutErr = errDisk, errDisk })
		if err := j.Append(t.Context(), packed.Pack(all[2], nil)); err == nil {
			t.Fatal("acknowledged without an fsync")
		}
		shut(t, j)
		m.set(func(m *memoryFS) { m.syncErr, m.cutErr = nil, nil })
		for range 2 {
			j = open(t, "j", Options{FS: m})
			records, damages := replayAll(t, j, Position{})
			if same(t, records, all); len(damages) > 0 {
				t.Fatal(damages[0])
			}
			m = m.after(rand.New(rand.NewPCG(seed, 6)))
		}
	}
}

func TestTruncateFails(t *testing.T) {
	m := newMemoryFS()
	j := open(t, "j", Options{FS: m, MaxFile: 500})
	appendAll(t, j, batches(10))
	m.set(func(m *memoryFS) { m.removeErr = errDisk })
	if err := j.Truncate(j.End()); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	if records, _ := replayAll(t, j, Position{}); len(records) != 10 {
		t.Errorf("%d records", len(records))
	}
	m.set(func(m *memoryFS) { m.removeErr = nil })
	if err := j.Truncate(j.End()); err != nil || len(m.files) != 1 {
		t.Errorf("%d files, %v", len(m.files), err)
	}
}

// powerCuts writes, cuts the power in the middle of it, and reads what is there, again and again. It returns how many
// acknowledged batches were missing.
func powerCuts(t *testing.T, lying bool) (missing int) {
	t.Helper()
	all := batches(60)
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 3))
		m, next := newMemoryFS(), 0
		acknowledged := map[int]bool{}
		for range 4 {
			m.lying = lying
			j := open(t, "j", Options{FS: m, MaxFile: 1000})
			before := -1
			found := map[int]bool{}
			records, damages := replayAll(t, j, Position{})
			for _, r := range records {
				n, err := strconv.Atoi(r.Entries[0].Message)
				if err != nil || n <= before || !reflect.DeepEqual(r.Entries, all[n]) {
					t.Fatalf("seed %d: after %d there is %+v", seed, before, r.Entries)
				}
				before, found[n] = n, true
			}
			for n := range acknowledged {
				if !found[n] {
					missing++
				}
			}
			for _, d := range damages {
				if !lying && !d.More {
					t.Fatalf("seed %d: %v", seed, d)
				}
			}
			for range random.IntN(12) {
				appendAll(t, j, all[next:next+1])
				acknowledged[next] = true
				next++
			}
			m.set(func(m *memoryFS) { m.syncErr, m.cutErr = errDisk, errDisk }) // what comes now is not acknowledged
			if err := j.Append(t.Context(), packed.Pack(all[next], nil)); err == nil {
				t.Fatal("acknowledged without an fsync")
			}
			next++
			after := m.after(random)
			m.set(func(m *memoryFS) { m.syncErr, m.cutErr = nil, nil })
			shut(t, j)
			m = after
		}
	}
	return missing
}

func TestPowerCuts(t *testing.T) {
	if n := powerCuts(t, false); n > 0 {
		t.Errorf("%d acknowledged batches are missing", n)
	}
}

// TestPowerCutsOfALyingDisk is the negative twin: without fsync, acknowledged batches are lost.
func TestPowerCutsOfALyingDisk(t *testing.T) {
	if powerCuts(t, true) == 0 {
		t.Error("nothing was lost: the test cannot see a loss")
	}
}
