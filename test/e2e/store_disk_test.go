package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/harness"
)

// fullDisk is a disk that somebody else fills, so many percent of what is free.
type fullDisk struct{ percent int64 }

const (
	goesOn = "the store does not break"
	// diskSize is small, but has room for what an hour of tests keeps.
	diskSize = "size=160m"
)

// smallDisk mounts a file system of its own in a private directory.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, diskSize); err != nil {
		t.Fatalf("mount a small file system: %v (run the tests as root, or with unshare -Urm)", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// fill writes a file until so many percent of what is free are used. With all of it, nothing is left, not even for a byte.
func fill(t *testing.T, path string, percent int64) {
	t.Helper()
	var room syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &room); err != nil {
		t.Error(err)
		return
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	defer file.Close()
	left := int64(room.Bavail) * room.Bsize * percent / 100
	block := make([]byte, 64<<10)
	for percent == 100 || left > 0 {
		_, err := file.Write(block)
		left -= int64(len(block))
		if errors.Is(err, syscall.ENOSPC) && len(block) > 1 {
			block = block[:len(block)/2]
			continue
		}
		if err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Error(err)
			}
			return
		}
	}
}

func diskFills(t *testing.T, c fullDisk, f *harness.Findings) {
	disk := smallDisk(t)
	g := storing(t, func(cfg *harness.Config) { cfg.Data = filepath.Join(disk, "data") })
	since := time.Now()
	p := produce(t, g, "disk")
	before := g.Store(t)
	filler := filepath.Join(disk, "filler")
	trouble{
		rounds: 3, noisy: 4 * time.Second, quiet: 4 * time.Second,
		begin: func() { fill(t, filler, c.percent) },
		end: func() {
			fill(t, filler, c.percent) // what the ballast gave free
			if err := os.Remove(filler); err != nil {
				t.Error(err)
			}
		},
	}.through(t, g, f)
	p.mu.Lock()
	refused := p.refused
	f.Claim(saysSo, refused[503]+refused[507]+refused[429] > 0, "%v", refused)
	p.mu.Unlock()
	recovered(t, g, f, time.Minute)
	p.end()
	p.kept(f, since)
	after := drained(t, g)
	f.Claim(goesOn, after.PID == before.PID && after.Restarts == before.Restarts, "%+v", after)
	f.Claim(fedAgain, dropped(after) == 0, "%+v", after.Feeds)
}

func TestTheDiskFills(t *testing.T) {
	harness.ProveAlone(t, diskFills, fullDisk{100},
		harness.Twin[fullDisk]{Name: "a full disk", Config: fullDisk{50}, Breaks: []string{saysSo}})
}
