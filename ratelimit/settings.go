package ratelimit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/gcra"
)

// values is what a key is allowed.
type values struct {
	tier        string
	rule        gcra.Rule // zero: no bound on what the bucket counts
	concurrency int       // 0: no bound
}

// settings is one configuration. It does not change, but for since.
type settings struct {
	generation uint32
	// since is when it was first used, 0 before. Buckets of the generation before are converted as of then.
	since atomic.Int64

	own       *values
	tiers     []tier
	overrides map[string]*values
	maxKeys   int64
	estimate  time.Duration // 0: learned
	keyOf     func(context.Context) string
	observer  gabion.Observer
}

// tier is the values of a group of keys.
type tier struct {
	patterns []string
	values   *values
}

// valuesOf is what key is allowed.
func (s *settings) valuesOf(key string) *values {
	if v := s.overrides[key]; v != nil {
		return v
	}
	for i := range s.tiers {
		for _, pattern := range s.tiers[i].patterns {
			if match(pattern, key) {
				return s.tiers[i].values
			}
		}
	}
	return s.own
}

// valuesOfTier is what the keys of a tier are allowed, for their shared bucket.
func (s *settings) valuesOfTier(name string) *values {
	for i := range s.tiers {
		if s.tiers[i].values.tier == name {
			return s.tiers[i].values
		}
	}
	return s.own
}

// begin is when the settings came into force, which is now if they were not used before.
func (s *settings) begin(now gabion.Instant) gabion.Instant {
	s.since.CompareAndSwap(0, int64(now))
	return gabion.Instant(s.since.Load())
}

// match says whether key is what pattern says, in which * stands for any characters, also none.
func match(pattern, key string) bool {
	prefix, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == key
	}
	if !strings.HasPrefix(key, prefix) {
		return false
	}
	key = key[len(prefix):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(key, part)
		}
		i := strings.Index(key, part)
		if i < 0 {
			return false
		}
		key, rest = key[i+len(part):], after
	}
}

// maxKeyLength bounds the memory that one key takes. Longer keys are kept as their beginning and a hash.
const maxKeyLength = 256

func shorten(key string) string {
	if len(key) <= maxKeyLength {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return key[:maxKeyLength/2] + "…" + hex.EncodeToString(sum[:16])
}
