package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
)

// ErrFull is what [Guard.Admit] returns while the disk is full.
var ErrFull = errors.New("disk full")

// Config is what a [Guard] is made of. The zero value of every field but Dir means its default.
type Config struct {
	// Dir is the directory that is guarded. It exists.
	Dir string `json:"dir"`
	// Quota is how many bytes Dir may hold. Default: as many as the disk has.
	Quota int64 `json:"quota,omitempty"`
	// Low is the number of free bytes below which the disk is low. Default: 5 % of the disk, at most 4 GiB.
	Low int64 `json:"low,omitempty"`
	// Full is the number of free bytes below which the disk is full. Default: 2 % of the disk, at most 512 MiB.
	Full int64 `json:"full,omitempty"`
	// Ballast is the size of the ballast file in bytes, [NoBallast] for none. Default: 1 % of the disk, at most 64 MiB.
	Ballast int64 `json:"ballast,omitempty"`
	// Every is how often the free bytes are looked at. Default: 1s. What the directory holds is counted every thirtieth time.
	Every time.Duration `json:"every,omitempty"`

	// Changed is called after every change of the state, one call at a time, from the goroutine of the guard or of who calls
	// [Guard.Report] or [Guard.Check]; it must not call these itself. Default: nobody is told.
	Changed func(from, to State, reason string) `json:"-"`
	// Measure replaces how Dir is measured, for tests. count asks for Used, which is costly.
	Measure func(dir string, count bool) (Usage, error) `json:"-"`
}

// NoBallast is the Config.Ballast that makes none.
const NoBallast = -1

// countEvery is how many looks at the free bytes come with one count of what the directory holds.
const countEvery = 30

// Guard watches a directory. Make it with [New]; it is safe for concurrent use.
type Guard struct {
	config  Config
	ballast ballast
	state   atomic.Int32
	reason  atomic.Pointer[string]

	mu    sync.Mutex // held while it is measured
	judge judge
	used  int64 // as it was last counted
	looks int
}

// New measures the directory once and makes the ballast if there is room. It starts no goroutine: call [Guard.Run]. The
// error says that the directory cannot be measured.
func New(cfg Config) (*Guard, error) {
	if cfg.Measure == nil {
		cfg.Measure = measure
	}
	u, err := cfg.Measure(cfg.Dir, false)
	if err != nil {
		return nil, fmt.Errorf("measuring the disk of %s: %w", cfg.Dir, err)
	}
	cfg.complete(u.Total)
	g := &Guard{
		config:  cfg,
		ballast: ballast{path: filepath.Join(cfg.Dir, ballastName), size: max(cfg.Ballast, 0)},
		judge:   judge{low: cfg.Low, full: cfg.Full, quota: cfg.Quota},
	}
	return g, g.Check()
}

func (c *Config) complete(total int64) {
	set := func(v *int64, part, limit int64) {
		if *v == 0 {
			*v = min(part, limit)
		}
	}
	set(&c.Low, total/20, 4<<30)
	set(&c.Full, total/50, 512<<20)
	set(&c.Ballast, total/100, 64<<20)
	if c.Every <= 0 {
		c.Every = time.Second
	}
}

// Run looks at the disk until ctx ends. A disk that cannot be measured keeps the state that it had.
func (g *Guard) Run(ctx context.Context) {
	tick := time.NewTicker(g.config.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			// The error is that of the first look, which New returned, or the disk is gone: then every write tells it.
			_ = g.Check()
		case <-ctx.Done():
			return
		}
	}
}

// State is the state as it was last seen. It costs an atomic load.
func (g *Guard) State() State { return State(g.state.Load()) }

// Reason says why the state is what it is; "" before it changed for the first time.
func (g *Guard) Reason() string {
	if why := g.reason.Load(); why != nil {
		return *why
	}
	return ""
}

// Admit says whether something may be appended: nil, or an error that is [ErrFull] and says why.
func (g *Guard) Admit() error {
	if g.State() != Full {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrFull, g.Reason())
}

// Report tells the guard how a write ended. One that failed for want of room makes the disk full at once, for half a
// minute at least. It returns err as it is.
func (g *Guard) Report(err error) error {
	if !noRoom(err) {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := gabion.Now()
	g.judge.until = now + forced
	u, measured := g.config.Measure(g.config.Dir, false)
	if measured != nil {
		u = Usage{}
	}
	u.Used = g.used
	g.settle(u, now)
	return err
}

// Check looks at the disk now.
func (g *Guard) Check() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	count := g.config.Quota > 0 && g.looks%countEvery == 0
	g.looks++
	u, err := g.config.Measure(g.config.Dir, count)
	if err != nil {
		return fmt.Errorf("measuring the disk of %s: %w", g.config.Dir, err)
	}
	if count {
		g.used = u.Used
	}
	u.Used = g.used
	g.settle(u, gabion.Now())
	return nil
}

// settle takes a measurement: it sets the state, and releases the ballast or makes it. The lock is held.
func (g *Guard) settle(u Usage, now gabion.Instant) {
	from := g.State()
	to, why := g.judge.see(u, g.ballast.missing(), now)
	if to == Full {
		g.ballast.release()
	} else {
		g.ballast.hold()
	}
	if to == from {
		return
	}
	g.reason.Store(&why)
	g.state.Store(int32(to))
	if g.config.Changed != nil {
		g.config.Changed(from, to, why)
	}
}

// measure asks the system, and counts the files of dir when that is asked for. What vanishes meanwhile is not counted.
func measure(dir string, count bool) (Usage, error) {
	u, err := room(dir)
	if err != nil || !count {
		return u, err
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && path != filepath.Join(dir, ballastName) {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				u.Used += allocated(info)
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return u, err
}
