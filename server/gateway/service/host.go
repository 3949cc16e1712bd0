package service

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/gateway/resolve"
)

// lookUpFor bounds how long New and Update wait for names.
const lookUpFor = time.Second

// host is a host name and what is known about it. The service's lock guards it.
type host struct {
	name      string
	addresses []netip.Addr // the last good ones
	failing   bool
	stop      context.CancelFunc // nil when nobody follows it
}

// answer is what a look-up found.
type answer struct {
	addresses []netip.Addr
	err       error
}

// lookUpNew looks up the names of the sources that are not known yet, all at once. What it returns has every name of
// the sources; nothing was found for those that are known.
func (s *Service) lookUpNew(sources []source) map[string]answer {
	found := map[string]answer{}
	for _, src := range sources {
		if src.fixed == "" {
			found[src.url.Hostname()] = answer{}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookUpFor)
	defer cancel()
	var lock sync.Mutex
	var all sync.WaitGroup
	for _, name := range slices.Collect(maps.Keys(found)) {
		if s.knows(name) {
			continue
		}
		all.Go(func() {
			addresses, err := resolve.Lookup(ctx, s.opt.Resolver, name)
			lock.Lock()
			defer lock.Unlock()
			found[name] = answer{addresses, err}
		})
	}
	all.Wait()
	return found
}

func (s *Service) knows(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hosts[name] != nil
}

// keepHosts makes the known names those that are in found, and follows them.
func (s *Service) keepHosts(found map[string]answer) {
	for name, h := range s.hosts {
		if _, stays := found[name]; !stays {
			if h.stop != nil {
				h.stop()
			}
			delete(s.hosts, name)
		}
	}
	for name, a := range found {
		if s.hosts[name] == nil {
			h := &host{name: name}
			s.hosts[name] = h
			s.note(h, a)
			s.startFollow(h)
		}
	}
}

// startFollow looks the name up again and again, if the service has been started.
func (s *Service) startFollow(h *host) {
	if s.ctx == nil {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	h.stop = cancel
	s.running.Go(func() {
		for pause(ctx, jitter(s.opt.ResolveEvery)) {
			addresses, err := resolve.Lookup(ctx, s.opt.Resolver, h.name)
			s.resolved(ctx, h, answer{addresses, err})
		}
	})
}

// resolved takes what a look-up found.
func (s *Service) resolved(ctx context.Context, h *host, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || !s.note(h, a) {
		return
	}
	if err := s.reconcile(gabion.Now()); err != nil {
		s.changedEndpoints("", "", "an endpoint could not be made: "+err.Error())
	}
}

// note keeps what a look-up found, and returns whether the addresses are others than before. After a failure the last
// good ones stay, and it is told once.
func (s *Service) note(h *host, a answer) (changed bool) {
	if a.err != nil {
		if !h.failing {
			h.failing = true
			s.failed(a.err)
			s.changedEndpoints("resolved", "unresolved", fmt.Sprintf("%v; %d addresses from before stay in use", a.err, len(h.addresses)))
		}
		return false
	}
	if h.failing {
		h.failing = false
		s.changedEndpoints("unresolved", "resolved", h.name+" is found again")
	}
	if slices.Equal(h.addresses, a.addresses) {
		return false
	}
	if h.addresses != nil {
		s.changedEndpoints(list(h.addresses), list(a.addresses), h.name+" has other addresses")
	}
	h.addresses = a.addresses
	return true
}

func list(addresses []netip.Addr) string {
	const most = 8
	var text []string
	for _, a := range addresses[:min(len(addresses), most)] {
		text = append(text, a.String())
	}
	if more := len(addresses) - most; more > 0 {
		text = append(text, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(text, ", ")
}
