package logs

import (
	"hash/maphash"
	"strings"
	"sync/atomic"

	"github.com/gabion-io/gabion/server/mask"
)

// identities remembers how identities are shown: the fingerprint of one costs about as much as the rest of a line. Each
// has one place, which it shares with others: whoever comes last stays. Its size is fixed.
type identities struct {
	seed   maphash.Seed
	places [1024]atomic.Pointer[identity]
}

type identity struct{ value, shown string }

// maxIdentity is how long an identity may be to be remembered.
const maxIdentity = 128

func newIdentities() *identities { return &identities{seed: maphash.MakeSeed()} }

// show returns how an identity is shown.
func (s *identities) show(value string) string {
	if len(value) > maxIdentity {
		return mask.Key(value)
	}
	place := &s.places[maphash.String(s.seed, value)%uint64(len(s.places))]
	if known := place.Load(); known != nil && known.value == value {
		return known.shown
	}
	value = strings.Clone(value) // it may be part of a head that is much larger
	known := &identity{value, mask.Key(value)}
	place.Store(known)
	return known.shown
}
