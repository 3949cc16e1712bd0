package spool

// deque is a queue with two ends, in a ring that doubles when it is full and is let go when it is empty.
type deque[T any] struct {
	ring   []T // its length is a power of two, or zero
	head   int
	length int
}

const smallRing = 64

func (d *deque[T]) grow() {
	if d.length < len(d.ring) {
		return
	}
	larger := make([]T, max(smallRing, 2*len(d.ring)))
	n := copy(larger, d.ring[d.head:])
	copy(larger[n:], d.ring[:d.head])
	d.ring, d.head = larger, 0
}

func (d *deque[T]) pushBack(v T) {
	d.grow()
	d.ring[(d.head+d.length)&(len(d.ring)-1)] = v
	d.length++
}

func (d *deque[T]) pushFront(v T) {
	d.grow()
	d.head = (d.head - 1) & (len(d.ring) - 1)
	d.ring[d.head] = v
	d.length++
}

// front is the first; there must be one.
func (d *deque[T]) front() *T { return &d.ring[d.head] }

// popFront takes the first; there must be one.
func (d *deque[T]) popFront() (v T) {
	v, d.ring[d.head] = d.ring[d.head], v
	d.head = (d.head + 1) & (len(d.ring) - 1)
	if d.length--; d.length == 0 && len(d.ring) > 16*smallRing {
		d.ring, d.head = nil, 0
	}
	return v
}
