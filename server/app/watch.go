package app

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a file must be left alone before it is read: editors write in several steps. Where something is
// written all the time, such as a log beside the file, it is read after patience all the same.
const (
	settle   = 100 * time.Millisecond
	patience = time.Second
)

// watcher calls changed whenever something happens to a file, until its context ends.
type watcher struct {
	files   *fsnotify.Watcher
	changed func()
}

// newWatcher watches the file at path. It watches the directory and not the file: editors and orchestrators put a new file
// in its place.
func newWatcher(path string, changed func()) (*watcher, error) {
	files, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	if err := files.Add(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, files.Close())
	}
	return &watcher{files, changed}, nil
}

func (w *watcher) run(ctx context.Context) {
	defer func() { _ = w.files.Close() }() // nothing is left to do about it
	timer := time.NewTimer(settle)         // a change since the file was read is seen too
	defer timer.Stop()
	var first time.Time // of the events that have not been looked at; zero when there are none
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-w.files.Events:
			if !ok {
				return
			}
		case _, ok := <-w.files.Errors: // events may have been lost: look
			if !ok {
				return
			}
		case <-timer.C:
			first = time.Time{}
			w.changed()
			continue
		}
		if first.IsZero() {
			first = time.Now()
		}
		timer.Reset(min(settle, patience-time.Since(first)))
	}
}
