package supervise

import (
	"cmp"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/store"
)

// Config is what a [Child] is made of. The zero value of every field but Settings.Dir means its default.
type Config struct {
	// Settings go to the child over its standard input. Instance is filled in with every start.
	Settings store.Settings
	// Path is the program. Default: the one that runs, also after its file was replaced.
	Path string
	// Args are its arguments. They are visible to everybody on the host. Default: store.
	Args []string
	// Env is its environment. Default: that of this process.
	Env []string
	// Output takes what the child writes to its standard output and standard error. Default: it is thrown away.
	Output io.Writer
	// Nice is added to the niceness, so that the child yields to the gateway; [NoNice] for nothing. Default: 10. Linux only.
	Nice int

	// AnswerWithin is how long a new child may take to answer on its socket. It may take longer to be ready. Default: 30s.
	AnswerWithin time.Duration
	// CheckEvery is how often it is asked whether it lives. Default: 1s.
	CheckEvery time.Duration
	// CheckTimeout is how long the answer may take. Default: 5s.
	CheckTimeout time.Duration
	// Failures is how many checks in a row fail until the child counts as hung and is killed. Default: 3.
	Failures int
	// Backoff is the longest wait after the first start that did not last; it doubles with each further one.
	// Default: 200ms. BackoffMax bounds it. Default: 30s.
	Backoff, BackoffMax time.Duration
	// Well is how long the child must have been up for the wait to begin anew. Default: 1m.
	Well time.Duration

	// Events is told what happens. Default: nobody.
	Events event.Sink
	// Log is for messages. Default: nothing is logged.
	Log *slog.Logger
}

// NoNice is the Config.Nice that leaves the priority as it is.
const NoNice = -1

// killAfter is how much longer than Settings.Stop the child may take to end before it is killed.
const killAfter = 4 // a quarter

func (c *Config) complete() error {
	if c.Path == "" {
		c.Path = "/proc/self/exe" // this very file, even when another one stands in its place by now
		if _, err := os.Stat(c.Path); err != nil {
			if c.Path, err = os.Executable(); err != nil {
				return err
			}
		}
	}
	if c.Args == nil {
		c.Args = []string{"store"}
	}
	var err error
	if c.Settings.Dir, err = filepath.Abs(c.Settings.Dir); err != nil {
		return err
	}
	c.Output = cmp.Or[io.Writer](c.Output, io.Discard)
	c.Events = cmp.Or[event.Sink](c.Events, nobody{})
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	c.Nice = cmp.Or(c.Nice, 10)
	c.Failures = cmp.Or(max(c.Failures, 0), 3)
	for value, fallback := range map[*time.Duration]time.Duration{
		&c.AnswerWithin: 30 * time.Second, &c.CheckEvery: time.Second, &c.CheckTimeout: 5 * time.Second, &c.Backoff: 200 * time.Millisecond,
		&c.BackoffMax: 30 * time.Second, &c.Well: time.Minute, &c.Settings.Stop: store.DefaultStop,
	} {
		*value = cmp.Or(max(*value, 0), fallback)
	}
	return nil
}

// nobody takes events.
type nobody struct{}

func (nobody) Add(event.Event) {}
