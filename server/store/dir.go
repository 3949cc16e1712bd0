package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// errLocked says that another process has the lock.
var errLocked = errors.New("the lock is held")

// takeDir makes the directory, if need be, and locks it: two processes would destroy each other's data. A process that is
// about to end may hold the lock for the time that is given.
func takeDir(ctx context.Context, dir string, wait time.Duration) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w: let data name one that can be written, or be off", err)
	}
	path := filepath.Join(dir, "store.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data directory: %w", err)
	}
	late := time.After(wait)
	for {
		if err = lock(f); err == nil {
			break
		}
		select {
		case <-time.After(50 * time.Millisecond):
			if errors.Is(err, errLocked) {
				continue
			}
		case <-late:
			err = fmt.Errorf("process %s uses it: end that one, or choose another data directory", holder(path))
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		return nil, errors.Join(fmt.Errorf("locking the data directory %s: %w", dir, err), f.Close())
	}
	// The number is for people: without it, the lock holds all the same, as on a disk that is full.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f.Close, nil
}

// holder is the process that holds a lock, as it wrote itself.
func holder(path string) string {
	text, err := os.ReadFile(path)
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" {
		return pid
	}
	return "unknown"
}
