package segment

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// footerOf is what a Parquet tool sees of a segment first.
func footerOf(t *testing.T, f *File) *format.FileMetaData {
	t.Helper()
	p, err := parquet.OpenFile(f.data, f.head.size)
	if err != nil {
		t.Fatal(err)
	}
	return p.Metadata()
}

// The footer tells other readers the order, and the bounds of times and services, by which they skip row groups.
func TestFooter(t *testing.T) {
	all := wild(901, 1000)
	for i, e := range all {
		e.Service = []string{"a", "b", "ü"}[i*3/len(all)]
	}
	inOrder(all)
	meta := footerOf(t, made(t, all, Options{Rows: 300}))
	if meta.NumRows != 1000 || len(meta.RowGroups) != 4 {
		t.Fatalf("%+v", meta)
	}
	for i := range meta.RowGroups {
		g := &meta.RowGroups[i]
		rows := all[i*300 : min(i*300+300, len(all))]
		if want := []format.SortingColumn{{ColumnIdx: colService}, {ColumnIdx: colTime}}; !slices.Equal(g.SortingColumns, want) {
			t.Errorf("row group %d is sorted by %v", i, g.SortingColumns)
		}
		s := g.Columns[colService].MetaData.Statistics
		if string(s.MinValue) != rows[0].Service || string(s.MaxValue) != rows[len(rows)-1].Service {
			t.Errorf("row group %d has services from %q to %q", i, s.MinValue, s.MaxValue)
		}
		lowest, highest := rows[0].Time, rows[0].Time
		for _, e := range rows {
			lowest, highest = min(lowest, e.Time), max(highest, e.Time)
		}
		s = g.Columns[colTime].MetaData.Statistics
		if int64(binary.LittleEndian.Uint64(s.MinValue)) != lowest || int64(binary.LittleEndian.Uint64(s.MaxValue)) != highest {
			t.Errorf("row group %d has times from %x to %x", i, s.MinValue, s.MaxValue)
		}
	}
}

// A service that is no text stands elsewhere in the order of texts, so nothing is told about it.
func TestFooterWithoutOrder(t *testing.T) {
	all := wild(902, 10)
	for i, e := range all {
		e.Service = []string{"\x81", "ü"}[i%2]
	}
	inOrder(all)
	f := made(t, all, Options{})
	g := &footerOf(t, f).RowGroups[0]
	if s := g.Columns[colService].MetaData.Statistics; len(g.SortingColumns) > 0 || len(s.MinValue)+len(s.MaxValue) > 0 {
		t.Errorf("%v, %q, %q", g.SortingColumns, s.MinValue, s.MaxValue)
	}
	same(t, whole(t, f.All(t.Context())), all)
}
