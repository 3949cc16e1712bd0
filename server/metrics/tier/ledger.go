package tier

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// Drop is how many samples of a producer were refused for a reason, since the store was opened.
type Drop struct {
	// Producer is who sent them, as given to [Store.Append].
	Producer string
	Reason   Reason
	// Culprit is the service or the metric that has too many series, or the metric whose labels are bad; else "".
	Culprit string
	Samples uint64
}

// ledgerMax is how many different drops are told apart; what comes after is counted under the producer "other".
const ledgerMax = 1000

type dropKey struct {
	producer string
	reason   Reason
	culprit  string
}

// ledger counts what was refused.
type ledger struct {
	mu     sync.Mutex
	counts map[dropKey]uint64
}

func (l *ledger) add(producer string, reason Reason, culprit string, n int) {
	key := dropKey{clip(producer, 128), reason, clip(culprit, 256)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = map[dropKey]uint64{}
	}
	if _, known := l.counts[key]; known {
		l.counts[key] += uint64(n)
		return
	}
	if len(l.counts) >= ledgerMax {
		key = dropKey{"other", reason, ""}
	}
	key.producer, key.culprit = strings.Clone(key.producer), strings.Clone(key.culprit)
	l.counts[key] += uint64(n)
}

// drops returns the counts, the largest first.
func (l *ledger) drops() []Drop {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Drop, 0, len(l.counts))
	for k, n := range l.counts {
		all = append(all, Drop{k.producer, k.reason, k.culprit, n})
	}
	slices.SortFunc(all, func(a, b Drop) int {
		return cmp.Or(cmp.Compare(b.Samples, a.Samples), cmp.Compare(a.Producer, b.Producer),
			cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Culprit, b.Culprit))
	})
	return all
}
