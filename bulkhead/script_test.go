package bulkhead

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/script"
)

func TestScripts(t *testing.T) {
	script.Run(t, "testdata/*.txt", func(t *testing.T) func(script.Command) string {
		s := &scripted{t: t, waiting: map[string]*waiter{}}
		return s.answer
	})
}

// scripted is a bulkhead's places and who waits for one, by name.
type scripted struct {
	t       *testing.T
	places  places
	now     gabion.Instant
	order   []string
	waiting map[string]*waiter
}

func (s *scripted) answer(c script.Command) string {
	if c.Keys["at"] != "" {
		s.now = c.Duration(s.t, "at")
	}
	switch c.Name {
	case "configure":
		s.configure(c)
		return s.state("ok")
	case "enter":
		return s.state(s.enter(c.Args[0], c.Keys["tenant"], c.Duration(s.t, "deadline")))
	case "try":
		if _, ok := s.places.tryEnter(); ok {
			return s.state("taken")
		}
		return s.state("full")
	case "leave":
		if s.places.leave(s.waiting[c.Args[0]], tooLong) {
			return s.state("left")
		}
		return s.state("is decided")
	case "exit":
		if c.Keys["ran"] != "" {
			s.places.learn(c.Duration(s.t, "ran"))
		}
		s.places.exit(s.now)
		return s.state("ok")
	case "snapshot":
		return strings.Trim(fmt.Sprintf("%+v", s.places.snapshot(s.now)), "{}")
	}
	s.t.Fatalf("line %d: unknown command %s", c.Line, c.Name)
	return ""
}

func (s *scripted) configure(c script.Command) {
	cfg := Config{Concurrency: s.number(c, "concurrency"), Queue: s.number(c, "queue"), Wait: time.Minute}
	for tenant, value := range map[string]*time.Duration{"wait": &cfg.Wait, "interval": &cfg.Interval, "target": &cfg.Target} {
		if c.Keys[tenant] != "" {
			*value = c.Duration(s.t, tenant)
		}
	}
	if c.Keys["max_tenants"] != "" {
		cfg.MaxTenants = s.number(c, "max_tenants")
	}
	s.places.configure(s.now, cfg.withDefaults())
}

func (s *scripted) enter(name, tenant string, deadline gabion.Instant) string {
	if cfg, ok := s.places.enter(); ok {
		return "taken"
	} else if cfg.Queue <= 0 {
		s.places.drops[full].Add(1)
		return "full"
	}
	w, wait, why := s.places.lineUp(s.now, tenant, deadline)
	if w == nil {
		return why.String()
	}
	s.order, s.waiting[name] = append(s.order, name), w
	if wait.longest == time.Minute {
		return "waits"
	}
	return fmt.Sprintf("waits, at most %v (%v)", wait.longest, wait.then)
}

// state is the answer, whose case was decided since the last one, and the counts.
func (s *scripted) state(answer string) string {
	var b strings.Builder
	b.WriteString(answer)
	waiting := s.order[:0]
	for _, name := range s.order {
		switch w := s.waiting[name]; {
		case w.Waits():
			waiting = append(waiting, name)
		case w.why == granted:
			fmt.Fprintf(&b, "\n%s starts", name)
		case w.why != tooLong:
			fmt.Fprintf(&b, "\n%s is refused: %v", name, w.why)
		}
	}
	s.order = waiting
	now := s.places.snapshot(s.now)
	fmt.Fprintf(&b, "\nin_flight=%d queued=%d refused=%d", now.InFlight, now.Queued, now.Refused)
	if now.Pressed {
		b.WriteString(" pressed")
	}
	return b.String()
}

func (s *scripted) number(c script.Command, tenant string) int {
	n, err := strconv.Atoi(c.Keys[tenant])
	if err != nil {
		s.t.Fatalf("line %d: %s: %v", c.Line, tenant, err)
	}
	return n
}
