package tier

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

// badCheckpoint is what a checkpoint was: the first part of a write-ahead log, with the names of its series.
type badCheckpoint struct {
	path  string // of the checkpoint
	cause error
	end   time.Time // of the log
}

// mendCheckpoint looks at the last checkpoint of the log. When it is damaged, one with the records before the damage takes its place; the
// other is set aside. Otherwise, the database would not open, after it had thrown away the rest of the log.
func (o *opening) mendCheckpoint(log writeAhead) (*badCheckpoint, error) {
	path, _, err := wlog.LastCheckpoint(filepath.Join(o.dir, "wal"))
	if errors.Is(err, record.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no checkpoint is damaged
	}
	if err != nil {
		return nil, err
	}
	damage, err := eachRecord(path, func([]byte) error { return nil })
	if damage == nil {
		return nil, err
	}
	bad := &badCheckpoint{path: path, cause: damage}
	if n := len(log.files); n > 0 {
		bad.end = log.files[n-1].ModTime()
	} else if info, err := os.Stat(path); err == nil {
		bad.end = info.ModTime()
	}
	mended := filepath.Join(o.dir, "mended")
	if err := copyWhole(path, mended); err != nil {
		return nil, fmt.Errorf("mend %s: %w", path, err)
	}
	// A crash in between leaves no checkpoint: then what follows it is still there.
	if err := os.Rename(path, filepath.Join(o.dir, filepath.Base(path)+".damaged")); err != nil {
		return nil, err
	}
	return bad, os.Rename(mended, path)
}

// copyWhole writes a log with the records of another one that come before its damage.
func copyWhole(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	into, err := wlog.New(slog.New(slog.DiscardHandler), nil, to, compression.Snappy)
	if err != nil {
		return err
	}
	_, err = eachRecord(from, func(r []byte) error { return into.Log(r) })
	return errors.Join(err, into.Close())
}

// eachRecord reads a log up to its end, or to its damage.
func eachRecord(dir string, take func([]byte) error) (damage, err error) {
	files, err := wlog.NewSegmentsReader(dir)
	if err != nil {
		return nil, err
	}
	defer files.Close()
	r := wlog.NewReader(files)
	for r.Next() {
		if err := take(r.Record()); err != nil {
			return nil, err
		}
	}
	return r.Err(), nil
}

// tell says what a damaged checkpoint costs: series that were named in it, up to the end of the log.
func (c *badCheckpoint) tell(o *opening, db *tsdb.DB) {
	d := Damage{
		File: filepath.Join(o.tier, "wal", filepath.Base(c.path)), To: c.end.UTC(),
		Cause: fmt.Sprintf("%v; what was not in blocks yet is lost of the series named after that", c.cause),
	}
	if blocks := db.Blocks(); len(blocks) > 0 {
		d.From = time.UnixMilli(blocks[len(blocks)-1].MaxTime()).UTC()
	}
	o.lose(d)
}
