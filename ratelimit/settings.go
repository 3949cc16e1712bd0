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
	"github.com/gabion-io/gabion/internal/slidinglog"
)

// values is what a key is allowed: one of the two rules, or none.
type values struct {
	tier        string
	rule        gcra.Rule
	sliding     slidinglog.Rule
	limit       int // what is allowed when nothing is used, as [Decision] says it
	concurrency int // 0: no bound
}

// settings is one configuration. It does not change, but for since.
type settings struct {
	// since is when it was first used, 0 before. What keys have used is converted to it as of then.
	since atomic.Int64

	// all is what keys can be allowed: first what the limit itself says. Tiers and overrides, and the buckets of keys, say
	// which by its index.
	all       []*values
	tiers     []tier
	overrides map[string]uint32
	maxKeys   int64
	estimate  time.Duration // 0: learned
	keyOf     func(context.Context) string
	costOf    func(context.Context) int
	observer  gabion.Observer
}

// tier is a group of keys and the index of its values.
type tier struct {
	name     string
	patterns []string
	values   uint32
}

func (s *settings) add(v *values) (index uint32) {
	s.all = append(s.all, v)
	return uint32(len(s.all) - 1)
}

// valuesOf is the index of what key is allowed.
func (s *settings) valuesOf(key string) uint32 {
	if v, ok := s.overrides[key]; ok {
		return v
	}
	for i := range s.tiers {
		for _, pattern := range s.tiers[i].patterns {
			if match(pattern, key) {
				return s.tiers[i].values
			}
		}
	}
	return 0
}

// valuesOfTier is the index of what the keys of a tier are allowed, for their shared bucket.
func (s *settings) valuesOfTier(name string) uint32 {
	for i := range s.tiers {
		if s.tiers[i].name == name {
			return s.tiers[i].values
		}
	}
	return 0
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
	return shortened(key)
}

func shortened(key string) string {
	sum := sha256.Sum256([]byte(key))
	return key[:maxKeyLength/2] + "…" + hex.EncodeToString(sum[:16])
}
