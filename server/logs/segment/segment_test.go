package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/gabion-io/gabion/server/logs/entry"
)

func TestRoundTrip(t *testing.T) {
	extreme := []*entry.Entry{
		{},
		{Time: math.MinInt64, Message: "first"},
		{Time: math.MaxInt64, Message: "last", Level: entry.Fatal},
		{Time: 5, Service: strings.Repeat("s", entry.MaxName), Message: strings.Repeat("huge \xff ü ", 20_000), Attrs: []entry.Attr{{}, {}, {Name: "twice"}, {Name: "twice", Value: "\x00\"\\"}}},
		{Time: 5, Trace: "no hex", Span: "\xf4"},
	}
	for range entry.MaxAttrs {
		extreme[4].Attrs = append(extreme[4].Attrs, entry.Attr{Name: "n", Value: strings.Repeat("\x01", 2000)})
	}
	inOrder(extreme)
	for name, tc := range map[string]struct {
		all []*entry.Entry
		opt Options
	}{
		"none": {}, "extreme": {all: extreme}, "one": {all: wild(1, 1)}, "many": {all: wild(2, 5000)}, "small row groups": {all: wild(3, 3000), opt: Options{Rows: 64}},
	} {
		t.Run(name, func(t *testing.T) {
			f := made(t, tc.all, tc.opt)
			same(t, whole(t, f.All(t.Context())), tc.all)
			byTime := slices.Clone(tc.all)
			slices.SortStableFunc(byTime, byTimeOnly)
			same(t, whole(t, f.Select(t.Context(), everything)), byTime)
			newest := everything
			newest.Newest = true
			slices.Reverse(byTime)
			same(t, whole(t, f.Select(t.Context(), newest)), byTime)
			if found, err := f.Verify(t.Context()); err != nil || len(found) > 0 {
				t.Error(found, err)
			}
			info := f.Info()
			if info.Lines != int64(len(tc.all)) || len(byTime) > 0 && (info.MaxTime != byTime[0].Time || info.MinTime != byTime[len(byTime)-1].Time) {
				t.Errorf("%+v", info)
			}
			if size := sizeOf(t, f.path) + sizeOf(t, sidecarPath(f.path)); info.Bytes != size {
				t.Errorf("%d bytes, it says %d", size, info.Bytes)
			}
		})
	}
}

func byTimeOnly(a, b *entry.Entry) int {
	switch {
	case a.Time < b.Time:
		return -1
	case a.Time > b.Time:
		return 1
	}
	return 0
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	stat, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return stat.Size()
}

// When there are too many different values, the dictionary is given up in the middle of a row group.
func TestManyHandlers(t *testing.T) {
	all := wild(4, defaultRows/2)
	for i, e := range all {
		e.Handler = strings.Repeat("/path", 30) + string(rune('a'+i%26)) + strings.Repeat("x", i%200) + e.Message
	}
	f := made(t, all, Options{})
	same(t, whole(t, f.All(t.Context())), all)
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	all := wild(5, 100)
	swapped := slices.Clone(all)
	swapped[3], swapped[90] = swapped[90], swapped[3]
	if _, err := Write(dir, "x", slices.Values(swapped), Options{}); !errors.Is(err, ErrOrder) {
		t.Errorf("lines that are not sorted: %v", err)
	}
	if names, _ := filepath.Glob(dir + "/*"); len(names) > 0 {
		t.Errorf("%v are left", names)
	}
	if _, err := Write(dir, "x", slices.Values(all), Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, "x", slices.Values(all), Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a name that exists: %v", err)
	}
	if _, err := Write(dir+"/none", "x", slices.Values(all), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if _, err := Open(dir + "/none" + Suffix); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrIncomplete) {
		t.Errorf("no segment: %v", err)
	}
}

// Another reader of Parquet, with types of its own, finds the same lines and the documented names.
func TestForeignReader(t *testing.T) {
	type foreign struct {
		Attrs   string `parquet:"attrs"`
		Message string `parquet:"msg"`
		Trace   string `parquet:"trace_id"`
		Span    string `parquet:"span_id"`
		Service string `parquet:"service"`
		Handler string `parquet:"handler"`
		Inst    string `parquet:"instance"`
		Level   string `parquet:"level"`
		Time    int64  `parquet:"ts,timestamp(nanosecond)"`
	}
	all := wild(7, 1000)
	f := made(t, all, Options{Rows: 100})
	rows, err := parquet.ReadFile[foreign](f.path)
	if err != nil || len(rows) != len(all) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, r := range rows {
		e := all[i]
		if r.Time != e.Time || r.Level != e.Level.String() || readText(r.Service) != e.Service || readText(r.Handler) != e.Handler || readText(r.Inst) != e.Instance ||
			readText(r.Trace) != e.Trace || readText(r.Span) != e.Span || readText(r.Message) != e.Message || r.Attrs != string(new(quoted).appendAttrs(nil, e.Attrs)) {
			t.Fatalf("row %d is %+v, want %+v", i, r, e)
		}
	}
}

// A sidecar that is lost is made anew, the same.
func TestSidecarIsMadeAnew(t *testing.T) {
	all := wild(8, 300)
	dir := t.TempDir()
	if _, err := Write(dir, "whole", slices.Values(all), Options{Rows: 64}); err != nil {
		t.Fatal(err)
	}
	f := opened(t, dir+"/whole"+Suffix)
	same(t, whole(t, f.All(t.Context())), all)
	if found, err := f.Verify(t.Context()); err != nil || len(found) > 0 {
		t.Error(found, err)
	}
	now, err := os.ReadFile(dir + "/whole" + SidecarSuffix)
	if err != nil {
		t.Fatal(err)
	}
	info, err := Rebuild(dir + "/whole" + Suffix)
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(sidecarPath(info.Path))
	if err != nil || !bytes.Equal(again, now) {
		t.Errorf("the sidecar made anew differs: %v", err)
	}
}

// Segments that are written at the same time have nothing in common.
func TestWrittenAtOnce(t *testing.T) {
	var writing sync.WaitGroup
	dir := t.TempDir()
	for i := range uint64(4) {
		writing.Go(func() {
			for k := range 3 {
				all := wild(600+i, 500)
				info, err := Write(dir, fmt.Sprint(i, "-", k), slices.Values(all), Options{Rows: 100})
				if err != nil {
					t.Error(err)
					return
				}
				f, err := Open(info.Path)
				if err != nil {
					t.Error(err)
					return
				}
				defer f.Close()
				back, errs := got(f.All(t.Context()))
				if len(errs) > 0 || !slices.EqualFunc(back, all, equal) {
					t.Errorf("segment %d-%d is not as it was written: %v", i, k, errs)
				}
			}
		})
	}
	writing.Wait()
}
