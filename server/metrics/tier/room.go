package tier

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
)

// Guard watches the disk that both tiers lie on. A guard of package store/disk is one.
type Guard interface {
	// Admit returns why nothing may be appended now, or nil.
	Admit() error
	// Report is told how a write ended, and returns the error as it is.
	Report(err error) error
}

// ErrFull is what every [FullError] is.
var ErrFull = errors.New("tier: no room")

// FullError says that nothing was taken because there is no room. It is [ErrFull]. The same samples may be sent again.
type FullError struct {
	// Tier is raw or long.
	Tier string
	// Used and Quota are how many bytes the tier has, and how many it may have; zero when that was not the reason.
	Used, Quota int64
	// Err is what the guard or the system said; nil when it was the quota.
	Err error
}

// Error implements error.
func (e *FullError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%v for %s: %v", ErrFull, e.Tier, e.Err)
	}
	return fmt.Sprintf("%v for %s: it has %d bytes of the %d it may have: raise its size, or keep less", ErrFull, e.Tier, e.Used, e.Quota)
}

// Is tells that it is [ErrFull].
func (e *FullError) Is(target error) bool { return target == ErrFull }

// Unwrap is what the guard or the system said.
func (e *FullError) Unwrap() error { return e.Err }

// countEvery is how long a count of what the tier has is good for.
const countEvery = time.Second

// room is what a tier may still take.
type room struct {
	tier  string
	guard Guard // may be nil
	quota int64
	used  func() int64

	mu      sync.Mutex
	counted gabion.Instant // 0: never
	full    *FullError     // what was found then
}

// check returns why nothing can be taken, or nil.
func (r *room) check(now gabion.Instant) error {
	if r.guard != nil {
		if err := r.guard.Admit(); err != nil {
			return &FullError{Tier: r.tier, Err: err}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counted == 0 || now-r.counted >= countEvery {
		r.counted, r.full = now, r.count()
	}
	if r.full == nil {
		return nil
	}
	return r.full
}

// count compares with the quota. At its quota the database deletes its oldest block, but neither its log nor its head: a
// quarter more is for these. Half of that quarter lies between refusing and taking again.
func (r *room) count() *FullError {
	limit := r.quota + r.quota/4
	if r.full != nil {
		limit = r.quota + r.quota/8
	}
	if used := r.used(); used > limit {
		return &FullError{Tier: r.tier, Used: used, Quota: limit}
	}
	return nil
}
