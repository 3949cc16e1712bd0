package lokipush

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// The messages, by the numbers of their fields:
//
//	request  1: streams
//	stream   1: labels, as text  2: lines
//	line     1: time (1: seconds, 2: nanoseconds)  2: text  3: metadata (1: name, 2: value)
const (
	fieldStreams  = 1
	fieldLabels   = 1
	fieldLines    = 2
	fieldTime     = 1
	fieldText     = 2
	fieldMetadata = 3
)

// readProtobuf reads a request.
func readProtobuf(body []byte, now time.Time) (lines []entry.Entry, err error) {
	var room ingest.Room
	number := 0
	err = fields(body, func(field protowire.Number, value []byte, _ uint64) error {
		if field != fieldStreams {
			return nil
		}
		number++
		if lines, err = readStream(&room, lines, value, now); err != nil {
			return fmt.Errorf("stream %d: %w", number, err)
		}
		return nil
	})
	return lines, err
}

// readStream reads a stream. Its labels may come after its lines.
func readStream(room *ingest.Room, lines []entry.Entry, body []byte, now time.Time) ([]entry.Entry, error) {
	b := builder{room: room}
	err := fields(body, func(field protowire.Number, value []byte, _ uint64) error {
		if field != fieldLabels {
			return nil
		}
		labels, err := parseLabels(string(value))
		b.stream(labels)
		return err
	})
	if err != nil {
		return nil, err
	}
	number := 0
	err = fields(body, func(field protowire.Number, value []byte, _ uint64) error {
		if field != fieldLines {
			return nil
		}
		number++
		e, err := readLine(&b, value, now)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		lines = append(lines, e)
		return nil
	})
	return lines, err
}

// readLine reads a line with its metadata.
func readLine(b *builder, body []byte, now time.Time) (entry.Entry, error) {
	var text string
	var metadata []entry.Attr
	at := int64(0)
	err := fields(body, func(field protowire.Number, value []byte, _ uint64) (err error) {
		switch field {
		case fieldTime:
			at, err = readTime(value)
		case fieldText:
			text = string(value)
		case fieldMetadata:
			var pair [3]string
			err = fields(value, func(field protowire.Number, value []byte, _ uint64) error {
				if field < 3 {
					pair[field] = string(value)
				}
				return nil
			})
			metadata = append(metadata, entry.Attr{Name: pair[1], Value: pair[2]})
		}
		return err
	})
	if at == 0 {
		at = now.UnixNano()
	}
	if err != nil {
		return entry.Entry{}, err
	}
	return b.line(at, text, metadata)
}

// readTime reads a time.
func readTime(body []byte) (int64, error) {
	var part [3]uint64
	err := fields(body, func(field protowire.Number, _ []byte, number uint64) error {
		if field < 3 {
			part[field] = number
		}
		return nil
	})
	if err == nil && (part[1] > 9_000_000_000 || part[2] >= 1e9) {
		err = fmt.Errorf("%w: a time of %d s and %d ns is not between 1970 and 2255", ingest.ErrRefused, int64(part[1]), int64(part[2]))
	}
	return int64(part[1])*1e9 + int64(part[2]), err
}

// fields calls use with each field of a message: texts and messages as bytes, numbers as such.
func fields(body []byte, use func(field protowire.Number, value []byte, number uint64) error) error {
	rest := body
	for len(rest) > 0 {
		field, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return broken(body, rest, n)
		}
		rest = rest[n:]
		var value []byte
		var number uint64
		switch kind {
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(rest)
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(rest)
		default: // nothing that is known here
			if n = protowire.ConsumeFieldValue(field, kind, rest); n >= 0 {
				rest = rest[n:]
				continue
			}
		}
		if n < 0 {
			return broken(body, rest, n)
		}
		rest = rest[n:]
		if err := use(field, value, number); err != nil {
			return err
		}
	}
	return nil
}

// broken says where a message is malformed.
func broken(body, rest []byte, n int) error {
	return fmt.Errorf("%w: byte %d of a message of %d: %w", ingest.ErrRefused, len(body)-len(rest)+1, len(body), protowire.ParseError(n))
}
