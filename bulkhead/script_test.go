package bulkhead

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

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
	order   []string
	waiting map[string]*waiter
}

func (s *scripted) answer(c script.Command) string {
	switch c.Name {
	case "configure":
		s.places.configure(Config{Concurrency: s.number(c, "concurrency"), Queue: s.number(c, "queue")})
		return s.state("ok")
	case "enter":
		return s.state(s.enter(c.Args[0]))
	case "try":
		if _, ok := s.places.tryEnter(); ok {
			return s.state("taken")
		}
		return s.state("full")
	case "leave":
		if s.places.leave(s.waiting[c.Args[0]]) {
			s.order = slices.DeleteFunc(s.order, func(name string) bool { return name == c.Args[0] })
			return s.state("left")
		}
		return s.state("has its place")
	case "exit":
		s.places.exit()
		return s.state("ok")
	}
	s.t.Fatalf("line %d: unknown command %s", c.Line, c.Name)
	return ""
}

func (s *scripted) enter(name string) string {
	switch w, _ := s.places.enter(); w {
	case taken:
		return "taken"
	case full:
		return "full"
	default:
		s.order, s.waiting[name] = append(s.order, name), w
		return "waits"
	}
}

// state is the answer, who was granted a place since the last one, and the counts.
func (s *scripted) state(answer string) string {
	var b strings.Builder
	b.WriteString(answer)
	waiting := s.order[:0]
	for _, name := range s.order {
		select {
		case <-s.waiting[name].granted:
			fmt.Fprintf(&b, "\n%s starts", name)
		default:
			waiting = append(waiting, name)
		}
	}
	s.order = waiting
	now := s.places.snapshot()
	fmt.Fprintf(&b, "\nin_flight=%d queued=%d refused=%d", now.InFlight, now.Queued, now.Refused)
	return b.String()
}

func (s *scripted) number(c script.Command, key string) int {
	n, err := strconv.Atoi(c.Keys[key])
	if err != nil {
		s.t.Fatalf("line %d: %s: %v", c.Line, key, err)
	}
	return n
}
