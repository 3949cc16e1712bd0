package journal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gabion-io/gabion"
)

// bufferSize is how much is collected for one write.
const bufferSize = 256 << 10

// write is the goroutine that writes what waits, until the journal is closed.
func (j *Journal) write() {
	defer close(j.done)
	for {
		group := j.group()
		if group == nil {
			return
		}
		j.commit(group)
	}
}

// group waits until it is time to write, and takes all that waits; nil when the journal is closed and nothing is left.
func (j *Journal) group() []*batch {
	for {
		j.mu.Lock()
		wait := j.started + j.options.Every - gabion.Now()
		switch {
		case len(j.queue) > 0 && (wait <= 0 || j.urgent()):
			group := j.queue
			j.queue = nil
			j.started = gabion.Now()
			j.mu.Unlock()
			return group
		case len(j.queue) == 0 && j.closed && j.active == 0:
			j.mu.Unlock()
			return nil
		case len(j.queue) == 0:
			wait = 0
		}
		j.mu.Unlock()
		j.pause(wait)
	}
}

// pause waits for a signal, or for that time if there is one.
func (j *Journal) pause(wait time.Duration) {
	if wait <= 0 {
		<-j.wake
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-j.wake:
	case <-timer.C:
	}
}

// commit makes the batches durable, as many at once as fit into the file, and tells those who wait.
func (j *Journal) commit(group []*batch) {
	j.writing.Lock()
	defer j.writing.Unlock()
	for len(group) > 0 {
		n, err := j.prepare(group)
		if err == nil {
			err = j.put(group[:n])
		}
		if err != nil {
			j.settle(group, explain(err))
			return
		}
		j.settle(group[:n], nil)
		group = group[n:]
	}
}

func (j *Journal) settle(group []*batch, err error) {
	size := int64(0)
	for _, b := range group {
		size += b.size()
	}
	j.mu.Lock()
	j.waiting -= size
	j.mu.Unlock()
	for _, b := range group {
		b.result <- err
	}
}

// explain makes a failed write an error that says what to do.
func explain(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return fmt.Errorf("journal: writing: %w", err)
}

// prepare makes sure that there is a file with room, and returns how many batches fit.
func (j *Journal) prepare(group []*batch) (int, error) {
	if err := j.repair(); err != nil {
		return 0, err
	}
	if j.current != nil && j.end.Offset > firstOffset && j.end.Offset+int64(len(group[0].record)) > j.options.MaxFile {
		if err := j.leave(); err != nil {
			return 0, err
		}
	}
	if j.current == nil {
		if err := j.begin(); err != nil {
			return 0, err
		}
	}
	size, n := j.end.Offset+int64(len(group[0].record)), 1
	for n < len(group) && size+int64(len(group[n].record)) <= j.options.MaxFile {
		size += int64(len(group[n].record))
		n++
	}
	return n, nil
}

// put writes batches behind the end of the current file, and makes them durable: all, or none.
func (j *Journal) put(group []*batch) error {
	at, written, next := j.end.Offset, j.end.Offset, j.next
	buffer := j.buffer[:0]
	flush := func(b []byte) error {
		_, err := j.current.WriteAt(b, written)
		written += int64(len(b))
		return err
	}
	var err error
	for i, b := range group {
		b.head.sequence = next
		b.head.put(b.record, j.salt, at)
		at, next = at+int64(len(b.record)), next+1
		if buffer = append(buffer, b.record...); len(buffer) >= bufferSize || i == len(group)-1 {
			if err = flush(buffer); err != nil {
				break
			}
			buffer = buffer[:0]
		}
	}
	if cap(buffer) <= 4*bufferSize {
		j.buffer = buffer
	}
	if err == nil {
		err = j.current.Sync()
		j.retire = err != nil
	}
	if err != nil {
		j.broken = true
		return errors.Join(err, j.repair())
	}
	j.mu.Lock()
	j.end.Offset, j.next = at, next
	j.mu.Unlock()
	return nil
}

// repair cuts what a failed write has left.
func (j *Journal) repair() error {
	if !j.broken {
		return nil
	}
	err := j.current.Truncate(j.end.Offset)
	if err == nil {
		err = j.current.Sync()
	}
	if err != nil {
		return fmt.Errorf("undoing a failed write: %w", err)
	}
	j.broken = false
	if j.retire {
		j.retire = false
		return j.leave()
	}
	return nil
}

// leave ends the current file: all of it is durable.
func (j *Journal) leave() error {
	f := j.current
	j.current = nil
	return f.Close()
}

// begin makes the next file, and makes durable that it is there: a position in it must never be forgotten.
func (j *Journal) begin() (err error) {
	var salt [8]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return err
	}
	h := header{version: version, number: 1, first: j.next, salt: binary.LittleEndian.Uint64(salt[:]), guessed: j.guessed}
	if len(j.files) > 0 {
		h.number = j.files[len(j.files)-1].number + 1
	}
	path := filepath.Join(j.dir, name(h.number))
	f, err := j.options.FS.Open(path, true)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), j.options.FS.Remove(path))
		}
	}()
	if _, err = f.WriteAt(h.encode(), 0); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = j.options.FS.SyncDir(j.dir); err != nil {
		return err
	}
	j.current, j.salt = f, h.salt
	j.mu.Lock()
	j.files = append(j.files, h)
	j.end = Position{h.number, firstOffset}
	j.guessed = false
	j.mu.Unlock()
	return nil
}

// Rotate begins a new file and returns its start, so that all that was appended before can be given to [Journal.Truncate]
// when it is kept elsewhere. When nothing was appended to the current file, that is what it returns.
func (j *Journal) Rotate() (Position, error) {
	j.writing.Lock()
	defer j.writing.Unlock()
	select {
	case <-j.done:
		return Position{}, ErrClosed
	default:
	}
	if err := j.repair(); err != nil {
		return Position{}, explain(err)
	}
	if j.current != nil && j.end.Offset > firstOffset {
		if err := j.leave(); err != nil {
			return Position{}, explain(err)
		}
	}
	if j.current == nil {
		if err := j.begin(); err != nil {
			return Position{}, explain(err)
		}
	}
	return j.end, nil
}
