package retry

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/script"
)

// TestScripts plays testdata/*.txt. Their commands:
//
//	retry key=value …       a new retry policy with this configuration
//	update key=value …      the same one with another
//	wait 5s                 time passes
//	calls N                 so many calls begin
//	failed try=1 left=2s after=1s random=0.5   that try failed, with so much time left, and so on
//	failures N              the first tries of so many calls failed
func TestScripts(t *testing.T) {
	script.Run(t, "testdata/*.txt", func(t *testing.T) func(script.Command) string {
		return (&play{t: t, now: time.Hour}).answer
	})
}

type play struct {
	t     *testing.T
	retry *Retry
	now   gabion.Instant
}

func (p *play) answer(c script.Command) string {
	switch c.Name {
	case "retry":
		r, err := New(p.config(c))
		if err != nil {
			return err.Error()
		}
		p.retry = r
	case "update":
		if err := p.retry.Update(p.config(c)); err != nil {
			return err.Error()
		}
	case "wait":
		d, err := time.ParseDuration(c.Args[0])
		if err != nil {
			p.t.Fatalf("line %d: %v", c.Line, err)
		}
		p.now += d
	case "calls":
		for range p.number(c, c.Args[0]) {
			p.retry.Start(p.now)
		}
	case "failed":
		return p.failed(c)
	case "failures":
		decided := map[string]int{}
		n := p.number(c, c.Args[0])
		for range n {
			decided[p.retry.Decide(p.now, 1, 0, 0).Why]++
		}
		return fmt.Sprintf("%d retried, %d not for want of budget; %s", decided[""], decided[WhyBudget], p.state())
	default:
		p.t.Fatalf("line %d: no command %s", c.Line, c.Name)
	}
	return p.state()
}

func (p *play) failed(c script.Command) string {
	random := 1.0
	if text := c.Keys["random"]; text != "" {
		var err error
		if random, err = strconv.ParseFloat(text, 64); err != nil {
			p.t.Fatalf("line %d: %v", c.Line, err)
		}
	}
	p.retry.random = func() float64 { return random }
	var deadline gabion.Instant
	if left := c.Duration(p.t, "left"); left > 0 {
		deadline = p.now + left
	}
	d := p.retry.Decide(p.now, p.number(c, c.Keys["try"]), deadline, c.Duration(p.t, "after"))
	if d.Again {
		return fmt.Sprintf("again in %v", d.Wait)
	}
	return "no: " + d.Why
}

func (p *play) state() string {
	s := p.retry.Snapshot(p.now)
	return fmt.Sprintf("budget %.1f, %d retries, %d over budget", s.Budget, s.Retries, s.OverBudget)
}

func (p *play) number(c script.Command, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		p.t.Fatalf("line %d: %v", c.Line, err)
	}
	return n
}

func (p *play) config(c script.Command) Config {
	cfg := Config{Backoff: Backoff{
		Initial: c.Duration(p.t, "initial"), Max: c.Duration(p.t, "max"), Jitter: c.Keys["jitter"],
	}}
	if text := c.Keys["attempts"]; text != "" {
		cfg.Attempts = p.number(c, text)
	}
	switch text := c.Keys["budget"]; text {
	case "":
	case "off":
		cfg.Budget = gabion.Off
	default:
		if err := cfg.Budget.UnmarshalText([]byte(text)); err != nil {
			p.t.Fatalf("line %d: %v", c.Line, err)
		}
	}
	return cfg
}
