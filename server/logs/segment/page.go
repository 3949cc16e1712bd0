package segment

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// pager encodes the columns of a row group. Each becomes one page, or a dictionary and one page of places in it; another page follows
// when there were too many different values. The writer of parquet-go would take each value by itself, and copy and look it up again.
type pager struct {
	plain, packed []byte // a page before and after it is compressed
	header        bytes.Buffer
	body          []byte // the pages of a column
	meta          format.ColumnMetaData
}

// begin begins a column.
func (p *pager) begin(column int, kind format.Type) {
	p.body = p.body[:0]
	p.meta = format.ColumnMetaData{Type: kind, PathInSchema: []string{columnNames[column]}, Codec: format.Zstd}
}

// put writes a page of the values that are in plain.
func (p *pager) put(h format.PageHeader, as format.Encoding) (err error) {
	if p.packed, err = compress(p.packed, p.plain); err != nil {
		return err
	}
	h.UncompressedPageSize, h.CompressedPageSize = int32(len(p.plain)), int32(len(p.packed))
	h.CRC = int32(crc32.ChecksumIEEE(p.packed))
	p.header.Reset()
	if err := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&p.header)).Encode(&h); err != nil {
		return fmt.Errorf("segment: the header of a page: %w", err)
	}
	if !slices.Contains(p.meta.Encoding, as) {
		p.meta.Encoding = append(p.meta.Encoding, as)
	}
	p.meta.TotalUncompressedSize += int64(p.header.Len() + len(p.plain))
	p.meta.TotalCompressedSize += int64(p.header.Len() + len(p.packed))
	p.body = append(append(p.body, p.header.Bytes()...), p.packed...)
	return nil
}

// data writes a page of rows.
func (p *pager) data(rows int, as format.Encoding) error {
	if p.meta.NumValues == 0 {
		p.meta.DataPageOffset = int64(len(p.body))
	}
	p.meta.NumValues += int64(rows)
	return p.put(format.PageHeader{Type: format.DataPageV2, DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{
		NumValues: int32(rows), NumRows: int32(rows), Encoding: as, IsCompressed: thrift.New(true),
	})}, as)
}

func (p *pager) times(times []int64) (err error) {
	p.begin(colTime, format.Int64)
	if p.plain, err = new(delta.BinaryPackedEncoding).EncodeInt64(p.plain, times); err != nil {
		return fmt.Errorf("segment: times: %w", err)
	}
	p.meta.Statistics.MinValue = binary.LittleEndian.AppendUint64(nil, uint64(slices.Min(times)))
	p.meta.Statistics.MaxValue = binary.LittleEndian.AppendUint64(nil, uint64(slices.Max(times)))
	return p.data(len(times), format.DeltaBinaryPacked)
}

func (p *pager) texts(t *texted) (err error) {
	if p.plain, err = new(delta.BinaryPackedEncoding).EncodeInt32(p.plain, t.lengths); err != nil {
		return fmt.Errorf("segment: lengths: %w", err)
	}
	p.plain = append(p.plain, t.data...)
	return p.data(len(t.lengths), format.DeltaLengthByteArray)
}

// words writes a dictionary and the places in it.
func (p *pager) words(values []string, index []int32) (err error) {
	p.plain = p.plain[:0]
	for _, v := range values {
		v = text(v)
		p.plain = append(binary.LittleEndian.AppendUint32(p.plain, uint32(len(v))), v...)
	}
	h := format.DictionaryPageHeader{NumValues: int32(len(values)), Encoding: format.Plain}
	if err := p.put(format.PageHeader{Type: format.DictionaryPage, DictionaryPageHeader: thrift.New(h)}, format.Plain); err != nil {
		return err
	}
	if p.plain, err = new(rle.DictionaryEncoding).EncodeInt32(p.plain, index); err != nil {
		return fmt.Errorf("segment: dictionary: %w", err)
	}
	return p.data(len(index), format.RLEDictionary)
}

// column encodes a column of which values are the different ones. The offsets in meta are as if it began at 0.
func (p *pager) column(column int, g *gatherer, values []string) (err error) {
	if column == colTime {
		return p.times(g.times)
	}
	p.begin(column, format.ByteArray)
	if index := g.index[column]; len(index) > 0 {
		if err := p.words(values, index); err != nil {
			return err
		}
	}
	if t := &g.texts[column]; len(t.lengths) > 0 {
		err = p.texts(t)
	}
	return err
}
