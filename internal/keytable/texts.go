package keytable

// texts is the texts of keys one after the other, in blocks that none crosses. It is only added to: what is dropped is
// lost until all are written anew.
type texts struct {
	blocks []*[blockSize]byte
	used   int // bytes of the last block
	live   int // bytes that are not dropped
	dead   int // bytes that are
}

const (
	// blockSize is a size that the allocator has, small because a table may hold few keys.
	blockSize = 1024
	// maxBlocks keeps places within 32 bits.
	maxBlocks = 1<<32/blockSize - 1
)

// add copies a text, of at most [MaxLength] bytes, and returns where it is.
func (x *texts) add(text string) (at uint32) {
	if len(x.blocks) == 0 || x.used+len(text) > blockSize {
		if len(x.blocks) > 0 {
			x.dead += blockSize - x.used
		}
		x.blocks, x.used = append(x.blocks, new([blockSize]byte)), 0
	}
	last := len(x.blocks) - 1
	copy(x.blocks[last][x.used:], text)
	at = uint32(last*blockSize + x.used)
	x.used += len(text)
	x.live += len(text)
	return at
}

func (x *texts) get(at uint32, length uint16) []byte {
	if length == 0 {
		return nil // it may be at the very end of a block
	}
	from := at % blockSize
	return x.blocks[at/blockSize][from : from+uint32(length)]
}

func (x *texts) drop(length uint16) {
	x.live -= int(length)
	x.dead += int(length)
}

// wasteful says that half as much is lost as is in use, so that writing all anew costs each dropped one little.
func (x *texts) wasteful() bool { return x.dead > x.live/2+blockSize }
