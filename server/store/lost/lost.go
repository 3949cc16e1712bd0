// Package lost remembers what was lost for good. When a file is damaged, what is whole is used on, or another file takes its
// place: then nothing on the disk tells any more that something is missing, and answers to queries would be wrong in silence.
package lost

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// Max is how many losses are remembered, the last ones.
const Max = 100

// List is losses, in a file. Make it with [Open]. It is safe for concurrent use.
type List[T any] struct {
	path string
	mu   sync.Mutex
	all  []T
}

// Open reads the losses that are still to be kept. Without a file there are none. The list can be used even after an error:
// what cannot be read is forgotten.
func Open[T any](path string, keep func(T) bool) (*List[T], error) {
	l := &List[T]{path: path}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &l.all)
	}
	l.all = slices.DeleteFunc(l.all, func(one T) bool { return !keep(one) })
	return l, err
}

// Add remembers a loss, unless there is the same already. After an error it is remembered until the process ends.
func (l *List[T]) Add(one T, same func(a, b T) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.ContainsFunc(l.all, func(known T) bool { return same(known, one) }) {
		return nil
	}
	l.all = append(l.all, one)
	l.all = l.all[max(len(l.all)-Max, 0):]
	text, err := json.Marshal(l.all)
	if err == nil {
		err = os.WriteFile(l.path+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(l.path+".new", l.path)
	}
	return err
}

// All are the losses.
func (l *List[T]) All() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}
