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
	key string
	// pipe makes the pipe when it is first asked for, once, and outside of the lock.
	pipe func() (*Pipe, error)
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
	entry := p.keys.entry(p, key)
	made := false
	defer func() {
		if !made { // the next call tries again, also after a panic of PerKey
			p.keys.forget(entry)
		}
	}()
	pipe, err := entry.Value.(*keyedPipe).pipe()
	made = err == nil
	return pipe, err
}

func (p *Pipe) forKey(key string) (*Pipe, error) {
	policies, err := p.config.PerKey(key)
	if err != nil {
		return nil, fmt.Errorf("policies for key %q: %w", key, err)
	}
	cfg := p.config
	cfg.Policies, cfg.PerKey = policies, nil
	pipe, err := New(cfg)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", key, err)
	}
	pipe.key = key
	return pipe, nil
}

// entry finds the entry of the key, or makes it, and then forgets the one unused for longest when there are too many.
func (k *keyed) entry(p *Pipe, key string) *list.Element {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known, ok := k.pipes[key]; ok {
		k.order.MoveToFront(known)
		return known
	}
	made := k.order.PushFront(&keyedPipe{key, sync.OnceValues(func() (*Pipe, error) { return p.forKey(key) })})
	k.pipes[key] = made
	if k.order.Len() > k.bound {
		k.remove(k.order.Back())
	}
	return made
}

// forget drops an entry whose pipe could not be made.
func (k *keyed) forget(e *list.Element) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pipes[e.Value.(*keyedPipe).key] == e {
		k.remove(e)
	}
}

func (k *keyed) remove(e *list.Element) {
	delete(k.pipes, k.order.Remove(e).(*keyedPipe).key)
}
