package breaker

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/script"
)

// TestScripts plays testdata/*.txt. Their commands:
//
//	breaker key=value …     a new breaker with this configuration
//	update key=value …      the same breaker with another one
//	wait 5s                 time passes
//	success|failure|slow|ignored [N]   so many calls, one after the other, end that way at once
//	start NAME              a call begins
//	end NAME success|…      and ends
//	force MODE              the mode changes
//	state                   what the breaker says of itself
//
// Every command answers with the state and what the window holds. Open times are exactly OpenFor here.
func TestScripts(t *testing.T) {
	script.Run(t, "testdata/*.txt", func(t *testing.T) func(script.Command) string {
		return (&play{t: t, now: time.Hour, running: map[string]gabion.Ticket{}}).answer
	})
}

type play struct {
	t       *testing.T
	breaker *Breaker
	now     gabion.Instant
	running map[string]gabion.Ticket
	events  []string
}

// slowTime is how long a slow call takes.
const slowTime = time.Minute

func (p *play) Observe(e gabion.Event) {
	if e.Kind == gabion.EventState {
		p.events = append(p.events, fmt.Sprintf("%s -> %s: %s", e.From, e.To, e.Detail))
	}
}

func (p *play) answer(c script.Command) string {
	p.events = nil
	var said string
	switch c.Name {
	case "breaker":
		b, err := New(p.config(c))
		if err != nil {
			return err.Error()
		}
		b.core.random = func() float64 { return 0.5 }
		p.breaker = b
	case "update":
		if err := p.breaker.update(p.config(c), p.now); err != nil {
			return err.Error()
		}
	case "wait":
		d, err := time.ParseDuration(c.Args[0])
		if err != nil {
			p.t.Fatalf("line %d: %v", c.Line, err)
		}
		p.now += d
	case "start":
		said = p.start(c.Args[0])
	case "end":
		p.end(c.Args[0], c.Args[1])
	case "force":
		for m := Automatic; m <= Watching; m++ {
			if m.String() == c.Args[0] {
				p.breaker.force(m, p.now)
			}
		}
	case "state":
	default:
		n := 1
		if len(c.Args) > 0 {
			n, _ = strconv.Atoi(c.Args[0]) // 0 calls show in the answer
		}
		for range n {
			if said = p.start("it"); said == "" {
				p.end("it", c.Name)
			}
		}
	}
	lines := append(p.events, p.state())
	if said != "" {
		lines = append([]string{said}, lines...)
	}
	return strings.Join(lines, "\n")
}

func (p *play) start(name string) string {
	ticket, err := p.breaker.Acquire(p.t.Context(), p.now)
	if err != nil {
		return "refused"
	}
	p.running[name] = ticket
	return ""
}

func (p *play) end(name, how string) {
	r := gabion.Result{Began: p.now, Ended: p.now}
	switch how {
	case "failure":
		r.Outcome, r.Err = gabion.Failure, errDown
	case "ignored":
		r.Outcome = gabion.Ignored
	case "slow":
		r.Began = p.now - slowTime
	case "success":
	default:
		p.t.Fatalf("no such end: %s", how)
	}
	p.breaker.Done(p.running[name], r)
}

func (p *play) state() string {
	s := p.breaker.Snapshot(p.now)
	if s.State != p.breaker.State() {
		p.t.Errorf("State is %v, Snapshot says %v", p.breaker.State(), s.State)
	}
	line := fmt.Sprintf("%v calls=%d failures=%d slow=%d", s.State, s.Calls, s.Failures, s.Slow)
	if s.Mode != Automatic {
		line += " " + s.Mode.String()
	}
	if s.Until != 0 {
		line += fmt.Sprintf(" probes in %v", s.Until-p.now)
	}
	return line
}

func (p *play) config(c script.Command) Config {
	number := func(key string) int {
		switch text := c.Keys[key]; text {
		case "":
			return 0
		case "off":
			return gabion.Off
		default:
			n, err := strconv.Atoi(text)
			if err != nil {
				p.t.Fatalf("line %d: %v", c.Line, err)
			}
			return n
		}
	}
	share := func(key string) (s gabion.Share) {
		switch text := c.Keys[key]; text {
		case "":
		case "off":
			s = gabion.Off
		default:
			if err := s.UnmarshalText([]byte(text)); err != nil {
				p.t.Fatalf("line %d: %v", c.Line, err)
			}
		}
		return s
	}
	return Config{
		Window: c.Duration(p.t, "window"), MinCalls: number("min_calls"), FailureRate: share("failure_rate"),
		SlowCall: c.Duration(p.t, "slow_call"), Hanging: number("hanging"), LastCalls: number("last_calls"), SlowRate: share("slow_rate"), Consecutive: number("consecutive"),
		OpenFor: c.Duration(p.t, "open_for"), OpenMax: c.Duration(p.t, "open_max"), RampFor: c.Duration(p.t, "ramp_for"), Probes: number("probes"), ProbeLease: c.Duration(p.t, "probe_lease"),
		Observer: p,
	}
}
