package keytable

import "sync/atomic"

// texts is the ends of long keys one after the other, in blocks that none crosses. It is only added to: what is dropped is
// lost until all are written anew. Whoever knows where one is may read it while others are added.
type texts struct {
	blocks atomic.Pointer[[]*[blockSize]byte]
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

func (x *texts) all() []*[blockSize]byte {
	if blocks := x.blocks.Load(); blocks != nil {
		return *blocks
	}
	return nil
}

// add copies a text, of at most [MaxLength] bytes, and returns where it is.
func (x *texts) add(text string) (at uint32) {
	blocks := x.all()
	if len(blocks) == 0 || x.used+len(text) > blockSize {
		if len(blocks) > 0 {
			x.dead += blockSize - x.used
		}
		blocks = append(blocks, new([blockSize]byte))
		x.blocks.Store(&blocks)
		x.used = 0
	}
	last := len(blocks) - 1
	copy(blocks[last][x.used:], text)
	at = uint32(last*blockSize + x.used)
	x.used += len(text)
	x.live += len(text)
	return at
}

func (x *texts) get(at uint32, length int) []byte {
	from := int(at % blockSize)
	return x.all()[at/blockSize][from : from+length]
}

func (x *texts) drop(length int) {
	x.live -= length
	x.dead += length
}

// full says that no more can be added.
func (x *texts) full() bool { return len(x.all()) >= maxBlocks }

// wasteful says that half as much is lost as is in use, so that writing all anew costs each dropped one little.
func (x *texts) wasteful() bool { return x.dead > x.live/2+blockSize }

func (x *texts) reset() {
	x.blocks.Store(nil)
	x.used, x.live, x.dead = 0, 0, 0
}
