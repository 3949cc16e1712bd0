package supervise

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/backoff"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/store"
)

// State is what the child does, as the parent sees it.
type State string

// The states. See the picture in the package's comment.
const (
	Starting   State = "starting"   // started for the first time, not ready yet
	Up         State = "up"         // ready
	Down       State = "down"       // gone; it is started again after a wait
	Restarting State = "restarting" // started again, not ready yet
	Stopped    State = "stopped"    // told to end
)

// Status is how the child is.
type Status struct {
	State State
	// Since is when it came up, or since when it is not: tries to start it again do not count as something new.
	Since time.Time
	// Reason says why it was last down; "" if it never was.
	Reason string
	// PID is its process, 0 when there is none.
	PID int
	// Restarts counts how often it was started again.
	Restarts uint64
	// Retry is when it is started again, while it is down.
	Retry time.Time
	// Disk is the state of its disk, ok, low or full, as last heard; "" before.
	Disk string
	// Refused counts the items that it will never take, since its last start.
	Refused uint64
}

// Child is the store process, kept alive. Make it with [Start] and end it with [Child.Close]. It is safe for concurrent
// use.
type Child struct {
	config Config
	socket *http.Transport

	mu       sync.Mutex
	settings store.Settings
	status   Status
	changed  chan struct{} // closed and made anew with every change of the state

	again chan struct{} // the settings have changed

	stop  context.CancelFunc
	ended chan struct{}
}

// Start begins to keep a child running until ctx ends. It does not wait for it: see [Child.WaitUp]. The error is one of
// the configuration.
func Start(ctx context.Context, cfg Config) (*Child, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	path, err := store.SocketPath(cfg.Settings.Dir)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	c := &Child{
		config: cfg, socket: transport(path), settings: cfg.Settings, changed: make(chan struct{}), again: make(chan struct{}, 1),
		stop: stop, ended: make(chan struct{}),
	}
	c.set(Starting, func(*Status) {})
	go c.run(ctx)
	return c, nil
}

// Status is how the child is now.
func (c *Child) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Up says whether the child is up.
func (c *Child) Up() bool { return c.Status().State == Up }

// ErrStopped says that the child was told to end, and is not started again.
var ErrStopped = errors.New("the store process was stopped")

// WaitUp returns nil when the child is up, [ErrStopped] when it never will be, or the cause of ctx's end.
func (c *Child) WaitUp(ctx context.Context) error {
	for {
		c.mu.Lock()
		state, changed := c.status.State, c.changed
		c.mu.Unlock()
		switch state {
		case Up:
			return nil
		case Stopped:
			return ErrStopped
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Reconfigure gives the child other settings: it ends cleanly and starts again at once. The directory stays. When nothing
// is different, nothing happens.
func (c *Child) Reconfigure(settings store.Settings) {
	settings.Dir, settings.Instance = c.config.Settings.Dir, ""
	settings.Stop = cmp.Or(max(settings.Stop, 0), store.DefaultStop)
	c.mu.Lock()
	defer c.mu.Unlock()
	if reflect.DeepEqual(settings, c.settings) {
		return
	}
	c.settings = settings
	select {
	case c.again <- struct{}{}:
	default: // it is to start again anyway
	}
}

// latest are the settings for a new start.
func (c *Child) latest() store.Settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.again: // it does start again
	default:
	}
	return c.settings
}

// Close lets the child end, or kills it when it does not, and returns when it is gone.
func (c *Child) Close() {
	c.stop()
	<-c.ended
}

// set changes the state.
func (c *Child) set(state State, change func(*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status.Since.IsZero() || state == Stopped || (c.status.State == Up) != (state == Up) {
		c.status.Since = time.Now()
	}
	c.status.State, c.status.Retry = state, time.Time{}
	change(&c.status)
	close(c.changed)
	c.changed = make(chan struct{})
}

// run starts the child again and again.
func (c *Child) run(ctx context.Context) {
	defer close(c.ended)
	defer c.socket.CloseIdleConnections()
	tries := 0 // starts in a row that did not last
	because := ""
	for state := Starting; ; state = Restarting {
		if telling(tries) {
			c.tell(state, because)
		}
		why, wellFor := c.once(ctx, state, tries)
		if ctx.Err() != nil {
			break
		}
		if because = ""; why == newSettings {
			because, tries = why, 0
		} else if !c.rest(ctx, why, &tries, wellFor) {
			break
		}
		c.set(Restarting, func(s *Status) { s.PID, s.Restarts = 0, s.Restarts+1 })
	}
	c.set(Stopped, func(s *Status) { s.PID = 0 })
	c.tell(Stopped, "told to stop")
}

// rest waits before the next start. It returns false when ctx has ended.
func (c *Child) rest(ctx context.Context, why string, tries *int, wellFor time.Duration) bool {
	if *tries++; wellFor >= c.config.Well {
		*tries = 1
	}
	wait := backoff.Full(backoff.Bound(*tries, c.config.Backoff, c.config.BackoffMax), mathrand.Float64())
	c.set(Down, func(s *Status) { s.PID, s.Reason, s.Retry = 0, why, time.Now().Add(wait) })
	if telling(*tries) {
		c.tell(Down, fmt.Sprintf("%s; start %d that did not last", why, *tries))
	}
	select {
	case <-time.After(wait):
		return true
	case <-c.again: // other settings may be what it needs
		return true
	case <-ctx.Done():
		return false
	}
}

// telling says whether what comes after so many starts that did not last becomes an event. Of many in vain, the 1st, 2nd,
// 4th, 8th … do: they must not push everything else out of the log.
func telling(tries int) bool { return tries&(tries-1) == 0 }

func (c *Child) tell(state State, why string) {
	c.config.Events.Add(event.Event{Kind: event.KindStore, To: string(state), Reason: why})
}

// newSettings is why a child ends that is to start with others.
const newSettings = "new settings"

// once starts the child and watches it until it is gone. It returns why it went, and for how long it was up.
func (c *Child) once(ctx context.Context, state State, tries int) (why string, wellFor time.Duration) {
	settings := c.latest()
	settings.Instance = rand.Text()
	p, err := c.config.launch(settings)
	if err != nil {
		return err.Error(), 0
	}
	c.set(state, func(s *Status) { s.PID = p.cmd.Process.Pid })
	w := watch{child: c, process: p, instance: settings.Instance, began: gabion.Now(), tries: tries}
	why = w.until(ctx)
	if ctx.Err() != nil || why == newSettings {
		c.set(Restarting, func(*Status) {}) // or Stopped, in a moment
		p.terminate(settings.Stop + settings.Stop/killAfter)
		c.socket.CloseIdleConnections()
		return why, 0
	}
	if w.up > 0 {
		wellFor = gabion.Now() - w.up
	}
	c.set(Down, func(s *Status) { s.Reason = why })
	p.kill()
	select {
	case <-p.ended: // until then it has the lock: another one could not start
	case <-ctx.Done():
	}
	c.socket.CloseIdleConnections()
	return why, wellFor
}
