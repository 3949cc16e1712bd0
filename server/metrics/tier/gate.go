package tier

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// errRefused marks what is wrong with one sample and no other.
var errRefused = errors.New("refused")

type refusal string

func (r refusal) Error() string        { return string(r) }
func (r refusal) Is(target error) bool { return target == errRefused }

func refuse(why string) error { return refusal(why) }

// window is the times that are taken, both ends included.
type window struct{ from, to int64 }

func windowAt(now time.Time, oldest, ahead time.Duration) window {
	return window{now.Add(-oldest).UnixMilli(), now.Add(ahead).UnixMilli()}
}

var (
	errFuture = refuse("its time lies in the future: is the producer's clock right?")
	errTooOld = refuse("its time lies too far back")
)

func (w window) holds(at int64) bool { return w.from <= at && at <= w.to }

func (w window) admit(at int64) (Reason, error) {
	switch {
	case at > w.to:
		return Future, errFuture
	case at < w.from:
		return TooOld, errTooOld
	}
	return 0, nil
}

// gate decides about series that are new.
type gate struct {
	limits Limits
	labels LabelLimits
	census *census
	exempt string // see shape
}

func (g *gate) admit(l labels.Labels) (Reason, string, error) {
	if err := g.labels.check(l); err != nil {
		return BadLabels, l.Get(model.MetricNameLabel), err
	}
	if g.exempt != "" && strings.HasPrefix(l.Get(model.MetricNameLabel), g.exempt) {
		return 0, "", nil
	}
	if why, culprit, ok := g.census.room(l, g.limits); !ok {
		return why, culprit, refuse(fmt.Sprintf("there are too many series (%s of %q)", why, clip(culprit, 256)))
	}
	return 0, "", nil
}

// check says what is wrong with the labels of a series.
func (m LabelLimits) check(l labels.Labels) error {
	if n := l.Len(); n > m.Count {
		return refuse(fmt.Sprintf("it has %d labels; %d are allowed", n, m.Count))
	}
	var bad error
	last, named := "", false
	l.Range(func(l labels.Label) {
		switch {
		case bad != nil:
		case len(l.Name) > m.Name:
			bad = refuse(fmt.Sprintf("the name of label %q… has %d bytes; %d are allowed", clip(l.Name, 32), len(l.Name), m.Name))
		case len(l.Value) > m.Value:
			bad = refuse(fmt.Sprintf("the value of label %q has %d bytes; %d are allowed", l.Name, len(l.Value), m.Value))
		case l.Name <= last:
			bad = refuse(fmt.Sprintf("label %q is there twice, out of order, or has no name", l.Name))
		case l.Value == "":
			bad = refuse(fmt.Sprintf("label %q is empty: leave it out", l.Name))
		}
		last, named = l.Name, named || l.Name == model.MetricNameLabel
	})
	switch {
	case bad != nil:
		return bad
	case !named:
		return refuse("it has no name (label __name__)")
	case !l.IsValid(model.UTF8Validation):
		return refuse("its name or a label is no valid UTF-8")
	}
	return nil
}
