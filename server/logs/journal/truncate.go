package journal

import (
	"errors"
	"fmt"
	"io/fs"
)

// Truncate removes the files that are wholly before a position: what is in them is kept elsewhere. The last file stays. When
// it fails, it can be called again. Replaying from before that position begins at the oldest file that is left.
func (j *Journal) Truncate(before Position) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	select {
	case <-j.done:
		return ErrClosed
	default:
	}
	removed := false
	for len(j.files) > 1 && j.files[0].number < before.File {
		err := j.options.FS.Remove(j.path(j.files[0].number))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("journal: removing what is kept elsewhere: %w", err)
		}
		j.mu.Lock()
		j.files = j.files[1:]
		j.mu.Unlock()
		removed = true
	}
	if !removed {
		return nil
	}
	if err := j.options.FS.SyncDir(j.dir); err != nil {
		return fmt.Errorf("journal: removing what is kept elsewhere: %w", err)
	}
	return nil
}

// truncated reports whether the file of that number was removed.
func (j *Journal) truncated(number uint64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.files) > 0 && j.files[0].number > number
}
