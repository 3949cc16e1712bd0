package fallback

import (
	"context"
	"errors"
	"fmt"

	"github.com/gabion-io/gabion"
)

// ErrExercise is the cause that an alternative is given when nothing has failed: see [Config].Exercise.
var ErrExercise = errors.New("exercise: the call has not failed")

// due says whether after this call an alternative is exercised. It is every n-th call rather than one by chance, so that the
// share is kept exactly.
func (f *Fallback) due(s *settings) bool {
	share := float64(s.config.Exercise)
	if share == 0 {
		return false
	}
	n := float64(f.succeeded.Add(1))
	return int64(n*share) > int64((n-1)*share)
}

// exercise asks the alternatives in turn, one each time. The call has succeeded, so nothing of it reaches the caller.
func (f *Fallback) exercise(ctx context.Context, s *settings) {
	h := s.handlers[int(f.turn.Add(1)-1)%len(s.handlers)]
	err := h.try(ctx)
	if errors.Is(err, ErrExercise) {
		return // it is not to be asked for nothing
	}
	if err != nil {
		f.broken.Add(1)
		err = fmt.Errorf("the alternative fails when it is exercised: %w", err)
	}
	f.exercised.Add(1)
	s.observe(gabion.Event{Kind: gabion.EventFallback, Detail: "exercise " + h.name, Err: err})
}

// try serves, and makes an error of a panic: the call for which it would be one has succeeded.
func (h *Handler) try(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panicked: %v", p)
		}
	}()
	_, err = h.serve(ctx, ErrExercise)
	return err
}
