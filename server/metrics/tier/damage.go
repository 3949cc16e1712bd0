package tier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/annotations"
)

// Damage is samples that cannot be read any more.
type Damage struct {
	// File is what is damaged, below the directory of the store: a block, or a file of the write-ahead log, with which all that
	// was written after it is lost.
	File string `json:"file"`
	// From and To bound the times of the samples that are lost; From is zero when it is not known.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to"`
	// Torn says that only the very end of the log is lost, as after a crash.
	Torn bool `json:"torn,omitempty"`
	// Cause is why it cannot be read.
	Cause string `json:"cause"`
}

// String says what is lost, and why.
func (d Damage) String() string {
	if d.Torn {
		return "samples lost: those of the last moment before a crash (" + d.Cause + ")"
	}
	return "samples lost: all of that time (" + d.Cause + ")"
}

// stamp is RFC 3339 with milliseconds.
const stamp = "2006-01-02T15:04:05.000Z07:00"

// warning is what queries say of it.
func (d *Damage) warning() error {
	to := d.To.UTC().Format(stamp)
	if d.From.IsZero() {
		return fmt.Errorf("samples before %s are left out: %s is damaged", to, d.File)
	}
	return fmt.Errorf("samples from %s to %s are left out: %s is damaged", d.From.UTC().Format(stamp), to, d.File)
}

// lossFile remembers what was lost.
const lossFile = "lost.json"

// lose reports and remembers damage.
func (s *Store) lose(d Damage) {
	s.options.Logger.Error("the metrics are damaged; what is whole is still found", "file", d.File, "from", d.From, "to", d.To, "torn", d.Torn, "cause", d.Cause)
	if !d.Torn {
		if err := s.losses.Add(d, func(a, b Damage) bool { return a == b }); err != nil {
			s.options.Logger.Warn("a loss of samples cannot be remembered: after a restart, queries do not tell of it", "error", err)
		}
	}
	s.options.Damaged(d)
}

// blockName is the name of the directory of a block, badBlock how the database says that it cannot open one.
var (
	blockName = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{26}$`)
	badBlock  = regexp.MustCompile(`corrupted block ([0-9A-HJKMNP-TV-Z]{26}): (.*)`)
)

// opening opens a database of which something may be damaged. By itself, the database does not open with a damaged block, and
// keeps silent about one that does not say what it is, and about the end of its log.
type opening struct {
	dir, tier string
	open      func() (*tsdb.DB, error)
	lose      func(Damage)
}

func (o *opening) run() (*tsdb.DB, error) {
	if err := o.checkBlocks(); err != nil {
		return nil, err
	}
	var before []writeAhead
	for _, name := range []string{"wal", "wbl"} { // of what comes in order, and of what does not
		log, err := readLog(o.dir, name)
		if err != nil {
			return nil, err
		}
		before = append(before, log)
	}
	bad, err := o.mendCheckpoint(before[0])
	if err != nil {
		return nil, err
	}
	for {
		db, err := o.open()
		if err == nil {
			if bad != nil {
				bad.tell(o, db)
			}
			for _, log := range before {
				o.checkLog(db, log)
			}
			return db, nil
		}
		bad := badBlock.FindAllStringSubmatch(err.Error(), -1)
		if bad == nil {
			return nil, err
		}
		for _, m := range bad {
			if failed := o.setAside(m[1], m[2]); failed != nil {
				return nil, errors.Join(err, failed)
			}
		}
	}
}

// checkBlocks sets those aside that do not say what they are.
func (o *opening) checkBlocks() error {
	names, err := os.ReadDir(o.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range names {
		if !name.IsDir() || !blockName.MatchString(name.Name()) {
			continue
		}
		if _, err := readMeta(filepath.Join(o.dir, name.Name())); err != nil {
			if err := o.setAside(name.Name(), err.Error()); err != nil {
				return err
			}
		}
	}
	return nil
}

func readMeta(block string) (m tsdb.BlockMeta, err error) {
	text, err := os.ReadFile(filepath.Join(block, "meta.json"))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	return m, err
}

// setAside takes a block out of the database.
func (o *opening) setAside(block, cause string) error {
	path := filepath.Join(o.dir, block)
	d := Damage{File: filepath.Join(o.tier, block), Cause: cause}
	if m, err := readMeta(path); err == nil {
		d.From, d.To = time.UnixMilli(m.MinTime).UTC(), time.UnixMilli(m.MaxTime).UTC()
	} else if info, err := os.Stat(path); err == nil {
		d.To = info.ModTime().UTC() // it was written later than its samples
	}
	if err := os.Rename(path, path+".damaged"); err != nil {
		return err
	}
	o.lose(d)
	return nil
}

// Select implements storage.Querier: it warns of samples of its time that are lost.
func (g *guest) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, m ...*labels.Matcher) storage.SeriesSet {
	found := g.Querier.Select(ctx, sorted, hints, m...)
	if len(g.lost) == 0 {
		return found
	}
	return doubtful{found, g.lost}
}

// lost are the warnings for a time.
func (s *Store) lost(from, to int64) (all annotations.Annotations) {
	for _, d := range s.losses.All() {
		if d.To.UnixMilli() >= from && (d.From.IsZero() || d.From.UnixMilli() <= to) {
			all.Add(d.warning())
		}
	}
	return all
}

// doubtful is series of which samples are missing.
type doubtful struct {
	storage.SeriesSet
	lost annotations.Annotations
}

// Warnings implements storage.SeriesSet.
func (d doubtful) Warnings() annotations.Annotations {
	var all annotations.Annotations
	all.Merge(d.SeriesSet.Warnings())
	all.Merge(d.lost)
	return all
}
