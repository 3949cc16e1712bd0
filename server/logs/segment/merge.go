package segment

import (
	"cmp"
	"container/heap"
	"context"
	"iter"
	"math"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// walk goes through all lines of a file in its order.
type walk struct {
	scan
	place int // of the file among those that are merged
	next  int // row group
	block *block
	at    int
	entry entry.Entry // the present line
}

func (f *File) walk(ctx context.Context) *walk {
	return &walk{scan: scan{file: f, ctx: ctx, query: &Query{From: math.MinInt64, To: math.MaxInt64, Columns: AllColumns}}}
}

// step goes to the next line and reports whether there is one. After an error it can go on behind the row group, unless over.
func (w *walk) step() (bool, error) {
	for w.block == nil || w.at == len(w.block.rows) {
		if w.next == len(w.file.head.groups) {
			return false, nil
		}
		g := &w.file.head.groups[w.next]
		w.next++
		w.at = 0
		var err error
		if w.block, err = w.scan.block(g); err != nil {
			return false, err
		}
	}
	row := w.block.rows[w.at]
	w.at++
	if err := w.scan.entry(w.block, row, &w.entry); err != nil {
		w.block = nil
		return false, err
	}
	return true, nil
}

// All gives all lines in the order of the file: by service, then by time. The rest is as with [File.Select].
func (f *File) All(ctx context.Context) iter.Seq2[*entry.Entry, error] {
	return func(yield func(*entry.Entry, error) bool) {
		w := f.walk(ctx)
		for {
			ok, err := w.step()
			switch {
			case err != nil:
				if !yield(nil, err) || w.over() {
					return
				}
			case !ok || !yield(&w.entry, nil):
				return
			}
		}
	}
}

// Merge makes the segment dir/name of all lines of others, which stay as they are. Lines of one service and time stay in the order of the files.
// Memory holds one row group of each. It fails when a file is damaged: then nothing is written, and none of them should be removed.
func Merge(ctx context.Context, files []*File, dir, name string, opt Options) (Info, error) {
	return write(dir, name, merged(ctx, files), opt)
}

// merged gives the lines of several files in the order of a segment. An error is the last.
func merged(ctx context.Context, files []*File) iter.Seq2[*entry.Entry, error] {
	return func(yield func(*entry.Entry, error) bool) {
		var h walks
		for i, f := range files {
			w := f.walk(ctx)
			w.place = i
			ok, err := w.step()
			if err != nil {
				yield(nil, err)
				return
			}
			if ok {
				h = append(h, w)
			}
		}
		heap.Init(&h)
		for len(h) > 0 {
			w := h[0]
			if !yield(&w.entry, nil) {
				return
			}
			ok, err := w.step()
			switch {
			case err != nil:
				yield(nil, err)
				return
			case ok:
				heap.Fix(&h, 0)
			default:
				heap.Pop(&h)
			}
		}
	}
}

// walks is a heap by service, time and place.
type walks []*walk

// Len is that of the heap.
func (h walks) Len() int { return len(h) }

// Less is the order of a segment.
func (h walks) Less(i, j int) bool {
	a, b := &h[i].entry, &h[j].entry
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Time, b.Time), cmp.Compare(h[i].place, h[j].place)) < 0
}

// Swap swaps two walks.
func (h walks) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is called by the heap; walks are only taken off.
func (h *walks) Push(any) {}

// Pop is called by the heap.
func (h *walks) Pop() any {
	last := len(*h) - 1
	(*h)[last] = nil
	*h = (*h)[:last]
	return nil
}
