package traps

import (
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
)

// hangers are breakers with what they have against calls that hang.
var hangers = map[string]maker{
	ours: func(d time.Duration) fuse {
		pipe := must(gabion.New(gabion.Config{Policies: []gabion.Policy{
			must(breaker.New(breaker.Config{OpenFor: d, SlowCall: 100 * time.Millisecond, Hanging: 20})),
		}}))
		return fuse{pipe.Run}
	},
	gobreaker: newGobreaker, failsafe: newFailsafe, sentinel: newSentinel, eapache: newEapache, cep21: newCep21, zero: newZero, aegis: newAegis,
}
