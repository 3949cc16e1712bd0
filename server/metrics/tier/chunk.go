package tier

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// tornBlocks are those with chunks that cannot be read, found out by queries: reading all of them at the start would take too
// long. The query that finds out fails; from then on, what cannot be read is left out of answers, with a warning.
type tornBlocks struct {
	tier string
	lose func(Damage)

	mu   sync.Mutex
	told map[string]bool // the name of a block
}

// querier is a tsdb.BlockQuerierFunc.
func (t *tornBlocks) querier(b tsdb.BlockReader, from, to int64) (storage.Querier, error) {
	if _, ok := b.(*tsdb.Block); ok {
		b = &carefulBlock{b, t}
	}
	return tsdb.NewBlockQuerier(b, from, to)
}

// carefulBlock is a block of which chunks may be damaged.
type carefulBlock struct {
	tsdb.BlockReader
	torn *tornBlocks
}

// Chunks implements [tsdb.BlockReader].
func (b *carefulBlock) Chunks() (tsdb.ChunkReader, error) {
	r, err := b.BlockReader.Chunks()
	if err != nil {
		return nil, err
	}
	return &carefulChunks{r, b}, nil
}

type carefulChunks struct {
	tsdb.ChunkReader
	block *carefulBlock
}

// ChunkOrIterable implements [tsdb.ChunkReader].
func (c *carefulChunks) ChunkOrIterable(meta chunks.Meta) (chunkenc.Chunk, chunkenc.Iterable, error) {
	chunk, iterable, err := c.ChunkReader.ChunkOrIterable(meta)
	if err == nil {
		return chunk, iterable, nil
	}
	if fresh := c.block.torn.find(c.block.Meta(), err); fresh != nil {
		return nil, nil, fresh
	}
	return chunkenc.NewXORChunk(), nil, nil // no samples
}

// find notes that a block has a chunk that cannot be read. The first time it gives the error for the query.
func (t *tornBlocks) find(m tsdb.BlockMeta, cause error) error {
	name := m.ULID.String()
	t.mu.Lock()
	known := t.told[name]
	t.told[name] = true
	t.mu.Unlock()
	if known {
		return nil
	}
	d := Damage{
		File: filepath.Join(t.tier, name, "chunks"), From: time.UnixMilli(m.MinTime).UTC(), To: time.UnixMilli(m.MaxTime).UTC(),
		Cause: cause.Error(),
	}
	t.lose(d)
	return fmt.Errorf("%s is damaged: %w; from now on, its samples that cannot be read are left out", d.File, cause)
}

// remember takes what was found before a restart.
func (t *tornBlocks) remember(all []Damage) {
	for _, d := range all {
		if block, last := filepath.Split(d.File); last == "chunks" && filepath.Dir(filepath.Clean(block)) == t.tier {
			t.told[filepath.Base(block)] = true
		}
	}
}
