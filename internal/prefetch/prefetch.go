// Package prefetch tells the processor what will be written soon, so that it fetches it while there is something else to do.
//
// What another core has written last comes from its cache, which takes as long as to read the clock.
package prefetch

import "unsafe"

// Write has the cache line fetched to which p points, so that this core can write to it. It changes nothing, and p may be nil.
func Write[T any](p *T) { write(unsafe.Pointer(p)) }
