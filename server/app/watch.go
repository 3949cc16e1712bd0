package app

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a file must be left alone before it is read: editors write in several steps.
const settle = 100 * time.Millisecond

// watch calls changed whenever something happens to the file at path, until ctx ends. The directory is watched and not the
// file: editors and orchestrators put a new file in its place.
func watch(ctx context.Context, path string, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	if err := watcher.Add(filepath.Dir(path)); err != nil {
		return errors.Join(err, watcher.Close())
	}
	go func() {
		defer func() { _ = watcher.Close() }() // nothing is left to do about it
		timer := time.NewTimer(time.Hour)
		timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case _, ok := <-watcher.Events:
				if !ok {
					return
				}
				timer.Reset(settle)
			case _, ok := <-watcher.Errors:
				if !ok {
					return
				}
				timer.Reset(settle) // events may have been lost: look
			case <-timer.C:
				changed()
			}
		}
	}()
	return nil
}
