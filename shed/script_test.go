package shed

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/admission"
	"github.com/gabion-io/gabion/internal/script"
)

func TestScripts(t *testing.T) {
	script.Run(t, "testdata/*.txt", func(t *testing.T) func(script.Command) string {
		s := &scripted{t: t, waiting: map[string]*waiter{}}
		return s.answer
	})
}

// scripted is a shedder and who waits in it, by name.
type scripted struct {
	t       *testing.T
	shedder *Shedder
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
		return s.configure(c)
	case "calls":
		return s.calls(c)
	case "enter":
		return s.state(s.enter(c))
	case "leave":
		return s.state(s.shedder.abandon(s.waiting[c.Args[0]]).String())
	case "exit":
		ran := c.Duration(s.t, "ran")
		s.shedder.Done(gabion.Ticket{}, gabion.Result{Began: s.now - ran, Ended: s.now})
		return s.state("ok")
	}
	s.t.Fatalf("line %d: unknown command %s", c.Line, c.Name)
	return ""
}

func (s *scripted) configure(c script.Command) string {
	cfg := Config{
		Mode: c.Keys["mode"], Deadline: c.Duration(s.t, "deadline"), Concurrency: s.number(c, "concurrency"),
		MaxConcurrency: s.number(c, "max_concurrency"), MaxQueue: s.number(c, "max_queue"), MaxTenants: s.number(c, "max_tenants"),
	}
	s.shedder = mustNew(s.t, cfg)
	cfg = cfg.withDefaults()
	s.shedder.core = admission.New(cfg.core(), s.now)
	return "ok"
}

// calls lets calls come at equal distances that run for a constant time. They find a place at once.
func (s *scripted) calls(c script.Command) string {
	n, ran, every := s.number(c, "n"), c.Duration(s.t, "ran"), c.Duration(s.t, "every")
	var ends []gabion.Instant
	for ; n > 0 || len(ends) > 0; s.now += every {
		for len(ends) > 0 && ends[0] <= s.now {
			s.shedder.Done(gabion.Ticket{}, gabion.Result{Began: ends[0] - ran, Ended: ends[0]})
			ends = ends[1:]
		}
		if n > 0 {
			n--
			if _, err := s.shedder.Acquire(s.t.Context(), s.now); err != nil {
				s.t.Fatal(err)
			}
			ends = append(ends, s.now+ran)
		}
	}
	state := s.shedder.Snapshot()
	return fmt.Sprintf("limit=%d phase=%s usual=%v unqueued=%v target=%v", state.Limit, state.Phase, state.Usual, state.Unqueued, state.Target)
}

func (s *scripted) enter(c script.Command) string {
	ctx := gabion.WithTenant(context.Background(), c.Keys["tenant"])
	if c.Keys["priority"] != "" {
		var p gabion.Priority
		if err := p.UnmarshalText([]byte(c.Keys["priority"])); err != nil {
			s.t.Fatal(err)
		}
		ctx = gabion.WithPriority(ctx, p)
	}
	if s.shedder.core.TryStart() {
		return "starts"
	}
	w, longest, why := s.shedder.lineUp(ctx, s.now)
	if w == nil {
		return why.String()
	}
	s.order, s.waiting[c.Args[0]] = append(s.order, c.Args[0]), w
	return fmt.Sprintf("waits, at most %v", longest)
}

// state is the answer, whose case was decided since the last one, and the counts.
func (s *scripted) state(answer string) string {
	var b strings.Builder
	b.WriteString(answer)
	waiting := s.order[:0]
	for _, name := range s.order {
		w := s.waiting[name]
		select {
		case <-w.decided:
			if w.why == granted {
				fmt.Fprintf(&b, "\n%s starts", name)
			} else {
				fmt.Fprintf(&b, "\n%s is refused: %v", name, w.why)
			}
		default:
			if s.shedder.core.Queued(&w.Waiter) {
				waiting = append(waiting, name)
			}
		}
	}
	s.order = waiting
	now := s.shedder.Snapshot()
	fmt.Fprintf(&b, "\nlimit=%d in_flight=%d queued=%d", now.Limit, now.InFlight, now.Queued)
	return b.String()
}

func (s *scripted) number(c script.Command, key string) int {
	if c.Keys[key] == "" {
		return 0
	}
	n, err := strconv.Atoi(c.Keys[key])
	if err != nil {
		s.t.Fatalf("line %d: %s: %v", c.Line, key, err)
	}
	return n
}
