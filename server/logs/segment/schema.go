package segment

import (
	"github.com/parquet-go/parquet-go"

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

const (
	// maxDictionary is how large a dictionary may become; then the column goes on without one.
	maxDictionary = 1 << 20
	// pageBytes is about the size of a page before compression.
	pageBytes = 512 << 10
	// sumsKey is the entry of the Parquet file's metadata with the CRC-32C of each row group, for [Rebuild].
	sumsKey = "gabion.crc32c"
)

func newWriter(s *sink) *parquet.GenericWriter[row] {
	options := []parquet.WriterOption{
		parquet.CreatedBy("gabion", "", ""),
		parquet.Compression(codec{}),
		parquet.WriteBufferSize(0), // the sink has its own, and knows where row groups end
		parquet.DictionaryMaxBytes(maxDictionary),
		parquet.PageBufferSize(pageBytes),
		parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.DeltaLengthByteArray),
		parquet.DataPageStatistics(false), // those of the row group suffice
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("service"), parquet.Ascending("ts"))),
	}
	for i, name := range columnNames {
		if i != colTime && i != colService { // the others are not in order, so their bounds help nobody
			options = append(options, parquet.SkipPageBounds(name))
		}
	}
	return parquet.NewGenericWriter[row](s, append(options, schema)...)
}

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
