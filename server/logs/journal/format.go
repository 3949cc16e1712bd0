package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/gabion-io/gabion/server/logs/internal/packed"
)

const (
	fileMagic      = "gabionJ\n"
	version        = 1
	headerSize     = 8 + 4 + 8 + 8 + 8 + 1 + 4
	firstOffset    = 2 * headerSize // where the first record of a file stands
	recordMagic    = "\xf7GJR"
	recordHeadSize = 4 + 4 + 4 + 1 + 4 + 8 + 4
	nameSuffix     = ".journal"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// name is the name of the file with that number. Names sort like numbers.
func name(number uint64) string { return fmt.Sprintf("%012d%s", number, nameSuffix) }

// number is the number of the file with that name.
func number(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, nameSuffix)
	if !ok || len(digits) < 12 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0
}

// header is what a file begins with.
type header struct {
	version uint32
	number  uint64
	first   uint64 // sequence of the first record
	salt    uint64
	guessed bool // first is a guess: how many records the damaged end of the file before held is not known
}

// encode returns the header as it stands in the file: twice.
func (h header) encode() []byte {
	b := make([]byte, 0, firstOffset)
	b = append(b, fileMagic...)
	b = binary.LittleEndian.AppendUint32(b, h.version)
	b = binary.LittleEndian.AppendUint64(b, h.number)
	b = binary.LittleEndian.AppendUint64(b, h.first)
	b = binary.LittleEndian.AppendUint64(b, h.salt)
	guessed := byte(0)
	if h.guessed {
		guessed = 1
	}
	b = append(b, guessed)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return append(b, b...)
}

// parseHeader reads the first of the two copies that is whole.
func parseHeader(b []byte) (header, bool) {
	for ; len(b) >= headerSize; b = b[headerSize:] {
		c := b[:headerSize]
		if string(c[:8]) != fileMagic || crc32.Checksum(c[:headerSize-4], castagnoli) != binary.LittleEndian.Uint32(c[headerSize-4:]) {
			continue
		}
		return header{
			version: binary.LittleEndian.Uint32(c[8:]),
			number:  binary.LittleEndian.Uint64(c[12:]),
			first:   binary.LittleEndian.Uint64(c[20:]),
			salt:    binary.LittleEndian.Uint64(c[28:]),
			guessed: c[36] == 1,
		}, true
	}
	return header{}, false
}

// The codecs of a payload.
const (
	plain byte = iota
	compressed
)

// recordHead is what a record begins with.
type recordHead struct {
	length   int // of the payload, as it is stored
	count    int // lines
	codec    byte
	sum      uint32 // of the payload
	sequence uint64
}

// put writes the head into the first bytes of b, for a record at that offset of a file with that salt.
func (h recordHead) put(b []byte, salt uint64, offset int64) {
	copy(b, recordMagic)
	binary.LittleEndian.PutUint32(b[4:], uint32(h.length))
	binary.LittleEndian.PutUint32(b[8:], uint32(h.count))
	b[12] = h.codec
	binary.LittleEndian.PutUint32(b[13:], h.sum)
	binary.LittleEndian.PutUint64(b[17:], h.sequence)
	binary.LittleEndian.PutUint32(b[25:], headSum(b, salt, offset))
}

// parseRecordHead reads a head; false when it is not one that was written for this place.
func parseRecordHead(b []byte, salt uint64, offset int64) (recordHead, bool) {
	if len(b) < recordHeadSize || string(b[:4]) != recordMagic || headSum(b, salt, offset) != binary.LittleEndian.Uint32(b[25:]) {
		return recordHead{}, false
	}
	length, count := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	if length > MaxBatch || int64(count) > int64(packed.MaxLines) {
		return recordHead{}, false
	}
	return recordHead{
		length: int(length), count: int(count), codec: b[12],
		sum: binary.LittleEndian.Uint32(b[13:]), sequence: binary.LittleEndian.Uint64(b[17:]),
	}, true
}

func headSum(b []byte, salt uint64, offset int64) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], salt)
	binary.LittleEndian.PutUint64(place[8:], uint64(offset))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, b[:recordHeadSize-4])
}
