package gabion

import (
	"container/list"
	"errors"
	"fmt"
	"sync"
)

// keyed remembers the pipes of the keys that were used last, in a bounded number.
type keyed struct {
	bound int
	mu    sync.Mutex
	pipes map[string]*list.Element // of *keyedPipe
	order *list.List               // most recently used first
}

type keyedPipe struct {
	key  string
	pipe *Pipe
}

func newKeyed(bound int) *keyed {
	return &keyed{bound: bound, pipes: map[string]*list.Element{}, order: list.New()}
}

// For returns the pipe of one key, such as a host or a user: the same configuration with the policies that
// Config.PerKey makes for the key. The same key gives the same pipe, until MaxKeys others have been used since.
func (p *Pipe) For(key string) (*Pipe, error) {
	if p.keys == nil {
		return nil, errors.New("gabion: Pipe.For needs Config.PerKey")
	}
	p.keys.mu.Lock()
	defer p.keys.mu.Unlock()
	if known, ok := p.keys.pipes[key]; ok {
		p.keys.order.MoveToFront(known)
		return known.Value.(*keyedPipe).pipe, nil
	}
	policies, err := p.config.PerKey(key)
	if err != nil {
		return nil, fmt.Errorf("policies for key %q: %w", key, err)
	}
	cfg := p.config
	cfg.Policies, cfg.PerKey = policies, nil
	pipe, err := New(cfg)
	if err != nil {
		return nil, err
	}
	p.keys.pipes[key] = p.keys.order.PushFront(&keyedPipe{key, pipe})
	if p.keys.order.Len() > p.keys.bound {
		oldest := p.keys.order.Remove(p.keys.order.Back()).(*keyedPipe)
		delete(p.keys.pipes, oldest.key)
	}
	return pipe, nil
}
