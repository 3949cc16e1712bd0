package segment

import (
	"fmt"
	"io"
	"sync"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// row is the schema. Only columns with few different values have a dictionary.
type row struct {
	Time     int64  `parquet:"ts,timestamp(nanosecond),delta"`
	Level    string `parquet:"level,dict"`
	Service  string `parquet:"service,dict"`
	Handler  string `parquet:"handler,dict"`
	Instance string `parquet:"instance,dict"`
	Trace    string `parquet:"trace_id"`
	Span     string `parquet:"span_id"`
	Message  string `parquet:"msg"`
	Attrs    string `parquet:"attrs"`
}

// The columns by their place in the schema.
const (
	colTime = iota
	colLevel
	colService
	colHandler
	colInstance
	colTrace
	colSpan
	colMessage
	colAttrs
	columns
)

var columnNames = [columns]string{"ts", "level", "service", "handler", "instance", "trace_id", "span_id", "msg", "attrs"}

var schema = parquet.NewSchema("line", parquet.SchemaOf(row{}))

// columnOf are the places of the columns that lines are counted by.
var columnOf = [...]int{ByService: colService, ByHandler: colHandler, ByInstance: colInstance, ByLevel: colLevel}

// sumsKey is the entry of the Parquet file's metadata with the CRC-32C of each row group, for [Rebuild].
const sumsKey = "gabion.crc32c"

// template is the footer of a file without rows: parquet-go knows how a schema is written.
var template = sync.OnceValues(func() (format.FileMetaData, error) {
	w := parquet.NewGenericWriter[row](io.Discard, schema, parquet.CreatedBy("gabion", "", ""))
	if err := w.Close(); err != nil {
		return format.FileMetaData{}, fmt.Errorf("segment: %w", err)
	}
	meta := *w.File().Metadata()
	meta.RowGroups = nil // whoever appends to it needs memory of its own
	return meta, nil
})

// levelOf is the level of a word of the column.
func levelOf(s string) entry.Level {
	for l := entry.Unknown; l <= entry.Fatal; l++ {
		if l.String() == s {
			return l
		}
	}
	return entry.Unknown
}

// known makes a level without a name into [entry.Unknown].
func known(l entry.Level) entry.Level {
	if l > entry.Fatal {
		return entry.Unknown
	}
	return l
}
