package disk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/server/store/disk"
)

const mib = 1 << 20

// small is a disk of 32 MiB: a real one where the test may mount it, else one that is made up.
type small struct {
	dir   string
	real  bool
	files int
}

func newSmall(t *testing.T) *small {
	s := &small{dir: t.TempDir()}
	if mount(s.dir, 32*mib) == nil {
		s.real = true
		t.Cleanup(func() {
			if err := unmount(s.dir); err != nil {
				t.Error(err)
			}
		})
	}
	return s
}

// held is what the files of the disk take.
func (s *small) held() (n int64) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
	}
	return n
}

// measure is for a disk that is made up.
func (s *small) measure(string, bool) (disk.Usage, error) {
	return disk.Usage{Total: 32 * mib, Free: 32*mib - s.held()}, nil
}

func (s *small) config(cfg disk.Config) disk.Config {
	cfg.Dir = s.dir
	if !s.real {
		cfg.Measure = s.measure
	}
	return cfg
}

// write adds a file of n bytes.
func (s *small) write(n int) error {
	if !s.real && s.held()+int64(n) > 32*mib {
		return &os.PathError{Op: "write", Path: s.dir, Err: syscall.ENOSPC}
	}
	s.files++
	path := filepath.Join(s.dir, fmt.Sprintf("data-%d", s.files))
	err := os.WriteFile(path, bytes.Repeat([]byte{1}, n), 0o600)
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// fill writes until nothing fits.
func (s *small) fill(t *testing.T) error {
	t.Helper()
	for range 1000 {
		if err := s.write(mib); err != nil {
			return err
		}
	}
	t.Fatal("the disk does not get full")
	return nil
}

func (s *small) ballast() bool {
	_, err := os.Stat(filepath.Join(s.dir, "ballast"))
	return !errors.Is(err, fs.ErrNotExist)
}

func TestAFullDiskGivesTheBallast(t *testing.T) {
	s := newSmall(t)
	var changes []string
	g, err := disk.New(s.config(disk.Config{
		Low: 12 * mib, Full: 6 * mib, Ballast: 4 * mib,
		Changed: func(from, to disk.State, why string) { changes = append(changes, fmt.Sprintf("%v>%v", from, to)) },
	}))
	if err != nil {
		t.Fatal(err)
	}
	if !s.ballast() || g.State() != disk.OK || g.Admit() != nil || g.Reason() != "" {
		t.Fatalf("at first: ballast %v, state %v, admit %v, %s", s.ballast(), g.State(), g.Admit(), g.Reason())
	}
	if info, err := os.Stat(filepath.Join(s.dir, "ballast")); err != nil || info.Size() != 4*mib || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	check := func(want disk.State) {
		t.Helper()
		if err := g.Check(); err != nil {
			t.Fatal(err)
		}
		if g.State() != want {
			t.Fatalf("%v (%s), want %v", g.State(), g.Reason(), want)
		}
	}
	for range 18 { // 10 MiB are left
		if err := s.write(mib); err != nil {
			t.Fatal(err)
		}
	}
	check(disk.Low)
	if err := g.Admit(); err != nil {
		t.Errorf("a low disk admits: %v", err)
	}

	full := s.fill(t) // as somebody else does who does not ask
	if !errors.Is(g.Report(full), full) || g.State() != disk.Full {
		t.Fatalf("%v after %v", g.State(), full)
	}
	if err := g.Admit(); !errors.Is(err, disk.ErrFull) || !strings.Contains(err.Error(), "KiB of the disk are free, less than 6144 KiB") {
		t.Errorf("%v", err)
	}
	if s.ballast() {
		t.Fatal("the ballast is still there")
	}
	if err := s.write(3 * mib); err != nil {
		t.Fatalf("what the ballast held back cannot be used: %v", err)
	}
	check(disk.Full)

	for i := range 22 {
		if err := os.Remove(filepath.Join(s.dir, fmt.Sprintf("data-%d", i+1))); err != nil {
			t.Fatal(err)
		}
	}
	check(disk.Full) // a write failed a moment ago
	if s.ballast() {
		t.Error("the ballast is back although the disk counts as full")
	}
	if want := []string{"ok>low", "low>full"}; !slices.Equal(changes, want) {
		t.Errorf("%v, want %v", changes, want)
	}
}

func TestTheBallastComesBack(t *testing.T) {
	s := newSmall(t)
	g, err := disk.New(s.config(disk.Config{Low: 12 * mib, Full: 6 * mib, Ballast: 4 * mib}))
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		files   int
		want    disk.State
		ballast bool
	}{
		{8, disk.OK, true}, {18, disk.Low, true}, {23, disk.Full, false}, {22, disk.Full, false}, {20, disk.Low, true}, {8, disk.OK, true},
	}
	for _, step := range steps {
		for s.files < step.files {
			if err := s.write(mib); err != nil {
				t.Fatal(err)
			}
		}
		for ; s.files > step.files; s.files-- {
			if err := os.Remove(filepath.Join(s.dir, fmt.Sprintf("data-%d", s.files))); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.Check(); err != nil {
			t.Fatal(err)
		}
		if g.State() != step.want || s.ballast() != step.ballast {
			t.Errorf("%d MiB: %v (%s), ballast %v; want %v, %v", step.files, g.State(), g.Reason(), s.ballast(), step.want, step.ballast)
		}
	}
}

// TestWithoutBallast is the negative twin: nothing can be written on the full disk.
func TestWithoutBallast(t *testing.T) {
	s := newSmall(t)
	g, err := disk.New(s.config(disk.Config{Low: 12 * mib, Full: 6 * mib, Ballast: disk.NoBallast}))
	if err != nil {
		t.Fatal(err)
	}
	if full := s.fill(t); !errors.Is(g.Report(full), full) || g.State() != disk.Full {
		t.Errorf("%v after %v", g.State(), full)
	}
	if err := s.write(3 * mib); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
}

func TestQuotaCountsWhatTheDirectoryHolds(t *testing.T) {
	s := newSmall(t)
	if err := s.write(3 * mib); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/", filepath.Join(s.dir, "link")); err != nil {
		t.Fatal(err)
	}
	g, err := disk.New(disk.Config{Dir: s.dir, Low: 1, Full: 1, Quota: 3 * mib, Ballast: mib})
	if err != nil {
		t.Fatal(err)
	}
	if g.State() != disk.Full || !strings.Contains(g.Reason(), "of a quota of 3072 KiB") {
		t.Errorf("%v: %s", g.State(), g.Reason())
	}
	if g, err = disk.New(disk.Config{Dir: s.dir, Low: 1, Full: 1, Quota: 4 * mib, Ballast: mib}); err != nil || g.State() != disk.OK {
		t.Errorf("%v %v: the ballast and links do not count", g.State(), err)
	}
}

func TestReportOfOtherErrors(t *testing.T) {
	g, err := disk.New(disk.Config{Dir: t.TempDir(), Low: 1, Full: 1, Ballast: disk.NoBallast})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{nil, fs.ErrPermission} {
		if !errors.Is(g.Report(err), err) || g.State() != disk.OK {
			t.Errorf("%v: %v", err, g.State())
		}
	}
}

func TestNoDirectory(t *testing.T) {
	if _, err := disk.New(disk.Config{Dir: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestRunLooksEverySecond(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		usage, broken := disk.Usage{Total: 1000 * mib, Free: 900 * mib}, error(nil)
		set := func(free int64, err error) {
			mu.Lock()
			usage.Free, broken = free*mib, err
			mu.Unlock()
			time.Sleep(time.Second + time.Millisecond)
			synctest.Wait()
		}
		g, err := disk.New(disk.Config{Dir: dir, Ballast: disk.NoBallast, Measure: func(string, bool) (disk.Usage, error) {
			mu.Lock()
			defer mu.Unlock()
			return usage, broken
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { g.Run(ctx); close(ended) }()
		for _, step := range []struct {
			free int64
			err  error
			want disk.State
		}{{10, nil, disk.Full}, {900, fs.ErrPermission, disk.Full}, {900, nil, disk.OK}} {
			if set(step.free, step.err); g.State() != step.want {
				t.Errorf("%+v: %v", step, g.State())
			}
		}
		stop()
		<-ended
	})
}
