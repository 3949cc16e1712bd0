package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/logs/internal/packed"
)

// What the functions of this package return; look for them with [errors.Is].
var (
	// ErrFull says that too much waits for the disk already. Nothing was taken; try again later, or drop the batch.
	ErrFull = errors.New("journal: too much waits for the disk")
	// ErrNoSpace says that the disk is full, or a quota used up. Nothing was kept; it works again when there is room.
	ErrNoSpace = errors.New("journal: no space left on the disk")
	// ErrTooLarge says that a batch is larger than [MaxBatch]: split it.
	ErrTooLarge = errors.New("journal: the batch is too large")
	// ErrClosed says that the journal is closed.
	ErrClosed = errors.New("journal: closed")
	// ErrLocked says that another process writes this journal.
	ErrLocked = errors.New("journal: another process uses it")
	// ErrVersion says that a newer version of this program wrote the journal. Nothing is touched.
	ErrVersion = errors.New("journal: written by a newer version")
	// ErrPosition says that a position is behind the end of the journal, so it is not one of this journal, or of one that
	// has lost its end.
	ErrPosition = errors.New("journal: the position is behind the end")
)

// Options are what a [Journal] can be told. The zero value of every field means its default.
type Options struct {
	// MaxFile is the size in bytes at which a new file is begun; a single record that is larger still gets a file of its own.
	// Default: 64 MiB.
	MaxFile int64
	// Every is the shortest time between the starts of two fsyncs: what comes in between waits, and shares the next one.
	// When half of MaxWaiting waits, it does not wait any longer. Default: 20ms.
	Every time.Duration
	// MaxWaiting is how many bytes may wait for the disk; see [ErrFull]. Default: 64 MiB.
	MaxWaiting int64
	// FS replaces the file system, for tests. Default: the one of the operating system.
	FS FS
}

// Torn is the end of a file that [Open] has cut, because a crash interrupted the write.
type Torn struct {
	// File is the path of the file; "" when nothing was cut.
	File string
	// From and To are the bytes that were cut.
	From, To int64
}

// Journal is a write-ahead log. Make it with [Open], end it with [Journal.Close]; it is safe for concurrent use.
type Journal struct {
	dir     string
	options Options
	lock    io.Closer
	torn    Torn

	mu      sync.Mutex
	queue   []*batch
	waiting int64 // bytes of the queue, of what is being encoded and of what is being written
	active  int   // batches that are being encoded
	closed  bool
	files   []header       // those that exist, oldest first; version is 0 when the header cannot be read
	end     Position       // of what is durable
	next    uint64         // sequence of the next record
	guessed bool           // next is a guess; see header
	started gabion.Instant // the last commit

	wake chan struct{} // tells the writer that something has changed
	done chan struct{} // closed when the writer has ended

	writing sync.Mutex // held while files are written; taken before mu
	current File       // the last file, when it can still be written
	salt    uint64     // of it
	broken  bool       // what is behind end could not be cut yet
	retire  bool       // an fsync failed: it is cut, and then not used any more
	buffer  []byte
}

// batch waits to be written.
type batch struct {
	record []byte
	head   recordHead
	result chan error
}

// size is about what it takes in memory.
func (b *batch) size() int64 { return int64(len(b.record)) + 256 }

// Open opens the journal in that directory, and makes it if it is not there. The end of the last file is cut where a crash
// interrupted a write, see [Journal.Torn]; damage is no error here: [Journal.Replay] tells of it. Errors: [ErrLocked],
// [ErrVersion], and those of the file system.
func Open(dir string, options Options) (*Journal, error) {
	options.MaxFile = cmp.Or(max(options.MaxFile, 0), 64<<20)
	options.Every = cmp.Or(max(options.Every, 0), 20*time.Millisecond)
	options.MaxWaiting = cmp.Or(max(options.MaxWaiting, 0), 64<<20)
	if options.FS == nil {
		options.FS = diskFS{}
	}
	j := &Journal{dir: dir, options: options, next: 1, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if err := options.FS.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("journal: making the directory: %w", err)
	}
	var err error
	if j.lock, err = options.FS.Lock(filepath.Join(dir, "lock")); err != nil {
		return nil, fmt.Errorf("journal: locking %s: %w", dir, err)
	}
	if err := j.recover(); err != nil {
		if j.current != nil {
			err = errors.Join(err, j.current.Close())
		}
		return nil, errors.Join(fmt.Errorf("journal: opening %s: %w", dir, err), j.lock.Close())
	}
	go j.write()
	return j, nil
}

// Torn is what Open has cut.
func (j *Journal) Torn() Torn { return j.torn }

// End is the position behind the last durable record.
func (j *Journal) End() Position {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.end
}

// Append writes a batch, and returns nil when it is durable; one without lines is at once. After [ErrFull], [ErrTooLarge],
// [ErrClosed], [ErrNoSpace] and other errors of the disk the batch is not in the journal, unless the process ends before a
// failed disk let it undo the write. When ctx ends first, the batch may be written or not.
func (j *Journal) Append(ctx context.Context, lines *packed.Lines) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("journal: nothing was written: %w", context.Cause(ctx))
	}
	if lines.Len() == 0 {
		return nil
	}
	size := int64(lines.Size())
	if size > MaxBatch {
		return fmt.Errorf("%w: %d bytes, at most %d: split it", ErrTooLarge, size, MaxBatch)
	}
	if err := j.reserve(size); err != nil {
		return err
	}
	b := &batch{result: make(chan error, 1)}
	b.record, b.head = encodeRecord(lines)
	j.enqueue(b, size)
	select {
	case err := <-b.result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("journal: it is not known whether the batch was written: %w", context.Cause(ctx))
	}
}

// reserve takes room among what waits.
func (j *Journal) reserve(size int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return ErrClosed
	}
	// A batch that is larger than all that may wait is let in alone, or it never would be.
	if j.waiting > 0 && j.waiting+size > j.options.MaxWaiting {
		return fmt.Errorf("%w: %d bytes", ErrFull, j.waiting)
	}
	j.waiting += size
	j.active++
	return nil
}

// enqueue hands a batch to the writer, and gives back what it was reserved more than it needs.
func (j *Journal) enqueue(b *batch, reserved int64) {
	j.mu.Lock()
	j.waiting += b.size() - reserved
	j.active--
	j.queue = append(j.queue, b)
	tell := len(j.queue) == 1 || j.urgent()
	j.mu.Unlock()
	if tell {
		j.signal()
	}
}

// urgent reports whether the writer must not wait for more. The lock is held.
func (j *Journal) urgent() bool { return j.closed || j.waiting >= j.options.MaxWaiting/2 }

func (j *Journal) signal() {
	select {
	case j.wake <- struct{}{}:
	default: // it is told already
	}
}

// Close writes what waits, and ends the journal; it waits for the disk as long as that takes. Later calls of Append return
// [ErrClosed].
func (j *Journal) Close() error {
	j.mu.Lock()
	closed := j.closed
	j.closed = true
	j.mu.Unlock()
	j.signal()
	<-j.done
	if closed {
		return nil
	}
	j.writing.Lock()
	defer j.writing.Unlock()
	var err error
	if j.current != nil {
		err = j.current.Close()
		j.current = nil
	}
	return errors.Join(err, j.lock.Close())
}
