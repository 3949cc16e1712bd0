package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
)

const parquetMagic = "PAR1"

var errLonger = errors.New("it is longer than it was")

// Verify reads both files wholly and returns what is damaged. The error is that of the context.
func (f *File) Verify(ctx context.Context) ([]*DamageError, error) {
	var found []*DamageError
	harmless := func(part string, err error) {
		if err != nil {
			found = append(found, &DamageError{Path: f.path, Part: part, Err: err})
		}
	}
	harmless("beginning", f.checkMagic())
	for i := range f.head.groups {
		g := &f.head.groups[i]
		if err := ctx.Err(); err != nil {
			return found, fmt.Errorf("segment: verify %s: %w", f.path, err)
		}
		for c, s := range g.chunks {
			if _, err := s.read(f.data); err != nil {
				found = append(found, f.damage("column "+columnNames[c], g, err))
			}
		}
		_, err := g.words.read(f.sidecar)
		harmless(fmt.Sprintf("word filter of row group %d", i), err)
		_, err = g.trace.read(f.sidecar)
		harmless(fmt.Sprintf("trace filter of row group %d", i), err)
		harmless(g.checkTallies(f))
	}
	_, tail := f.head.tail.read(f.data)
	_, footer := f.head.footer.read(f.sidecar)
	if tail != nil && footer != nil {
		return append(found, f.damage("footer and its copy", nil, errors.Join(tail, footer))), nil
	}
	harmless("footer", tail)
	harmless("copy of the footer", footer)
	if stat, err := f.data.Stat(); err != nil || stat.Size() > f.head.size {
		harmless("end", errors.Join(err, errLonger))
	}
	return found, nil
}

// checkMagic looks at the bytes before the first row group.
func (f *File) checkMagic() error {
	var b [magicSize]byte
	if _, err := io.ReadFull(io.NewSectionReader(f.data, 0, magicSize), b[:]); err != nil {
		return err
	}
	if string(b[:]) != parquetMagic {
		return errChecksum
	}
	return nil
}
