package segment

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// scan is one walk through a file.
type scan struct {
	file   *File
	ctx    context.Context //nolint:containedctx // it lives as long as the call that it belongs to
	query  *Query
	footer *parquet.File // kept so that it is decoded once
}

// partError says which part of a row group cannot be read.
type partError struct {
	part string
	err  error
}

func (e *partError) Error() string { return e.part + ": " + e.err.Error() }

func (e *partError) Unwrap() error { return e.err }

// reader gives access to the columns of a row group.
func (s *scan) reader(g *group) (*reader, error) {
	if s.footer == nil {
		var err error
		if s.footer, err = s.file.footer(); err != nil {
			return nil, err
		}
	}
	return &reader{group: g, chunks: s.footer.RowGroups()[g.number].ColumnChunks(), source: func(column int) (io.ReaderAt, error) {
		b, err := g.chunks[column].read(s.file.data)
		return &part{b: b, off: g.chunks[column].off}, err
	}}, nil
}

// block reads what the query wants of a row group. What goes wrong is a [DamageError], unless the context has ended.
func (s *scan) block(g *group) (*block, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	r, err := s.reader(g)
	if err != nil {
		return nil, err
	}
	b, err := newBlock(r, s.query, needAll)
	return b, s.damaged(g, err)
}

func (s *scan) damaged(g *group, err error) error {
	if err == nil {
		return nil
	}
	part := "row group"
	if p, ok := errors.AsType[*partError](err); ok {
		part, err = p.part, p.err
	}
	return s.file.damage(part, g, err)
}

// over reports whether an error concerns all row groups.
func (s *scan) over() bool { return s.footer == nil || s.ctx.Err() != nil }

// may reports whether a row group can have what the query wants.
func (s *scan) may(g *group) bool {
	q := s.query
	switch {
	case g.maxT < q.From || q.past(g.minT):
		return false
	case q.Levels != 0 && q.Levels&g.levels == 0:
		return false
	case q.Service.exact && (q.Service.value < g.low || q.Service.value > g.high):
		return false
	case g.low == g.high && !q.Service.match(g.low):
		return false
	}
	return true
}

// filtered asks the filters of a row group, which costs reading them. One that cannot be read knows nothing.
func (s *scan) filtered(g *group) bool {
	if t := &s.query.Trace; t.exact && t.value != "" {
		if b, err := g.trace.read(s.file.sidecar); err == nil && !bloom(b).has(hashAll(t.value)) {
			return false
		}
	}
	if len(s.query.Terms) == 0 {
		return true
	}
	b, err := g.words.read(s.file.sidecar)
	return err != nil || bloom(b).hasWords(s.query.Terms)
}

// entry gives a row of a block.
func (s *scan) entry(b *block, row int32, e *entry.Entry) error {
	return s.damaged(b.group, b.entry(row, s.query.Columns, e))
}
