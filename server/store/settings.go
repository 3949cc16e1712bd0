package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gabion-io/gabion/server/store/disk"
)

// Settings is what the parent tells the child, as JSON. It may hold secrets: it is never logged.
type Settings struct {
	// Dir is the data directory, an absolute path. It is made when it does not exist.
	Dir string `json:"dir"`
	// Instance identifies this start of the child, so that nobody takes another process on the socket for it.
	Instance string `json:"instance"`
	// Memory is the memory that the child should stay within, in bytes, as GOMEMLIMIT is. Default: no limit.
	Memory int64 `json:"memory,omitempty"`
	// Disk bounds what is written. Its Dir is the one above.
	Disk disk.Config `json:"disk"`
	// Stop is how long the parts may take to close. Default: 10s.
	Stop time.Duration `json:"stop,omitempty"`
	// Parts are the settings of the parts, as whoever makes them wants them.
	Parts json.RawMessage `json:"parts,omitempty"`
}

// DefaultStop is the default of Settings.Stop.
const DefaultStop = 10 * time.Second

// settingsWithin is how long the settings may take to come.
const settingsWithin = 10 * time.Second

// maxSettings bounds the settings in bytes.
const maxSettings = 4 << 20

var (
	errNoSettings = errors.New("no settings on standard input: `gabion store` is started by `gabion run`, not by hand")
	errOrphaned   = errors.New("the parent is gone")
)

// socketName is the name of the socket in the data directory.
const socketName = "store.sock"

// MaxDir is how many bytes the path of a data directory may have: that of the socket in it must fit into what the system
// allows.
func MaxDir() int {
	limit := 103
	if runtime.GOOS == "linux" {
		limit = 107
	}
	return limit - len("/"+socketName)
}

// SocketPath is where the child of a data directory listens. The error says that the path is too long, see [MaxDir].
func SocketPath(dir string) (string, error) {
	if dir = filepath.Clean(dir); len(dir) > MaxDir() {
		return "", fmt.Errorf("the path of the data directory, %s, has %d bytes, and %d are allowed for the sake of the socket in it: choose a shorter path",
			dir, len(dir), MaxDir())
	}
	return filepath.Join(dir, socketName), nil
}

// receive reads the settings from in. The context that it returns ends when in does: then the parent is gone.
func receive(outer context.Context, in io.Reader) (context.Context, Settings, error) {
	ctx, cancel := context.WithCancelCause(outer)
	type result struct {
		settings Settings
		err      error
	}
	read := make(chan result, 1)
	go func() { // it ends when the parent does: a read cannot be interrupted
		var r result
		from := json.NewDecoder(io.LimitReader(in, maxSettings))
		if r.err = from.Decode(&r.settings); r.err == nil && !filepath.IsAbs(r.settings.Dir) {
			r.err = fmt.Errorf("dir %q is not an absolute path", r.settings.Dir)
		}
		read <- r
		if r.err == nil {
			// However it ends, it ended.
			_, _ = io.Copy(io.Discard, in)
		}
		cancel(errOrphaned)
	}()
	select {
	case r := <-read:
		if errors.Is(r.err, io.EOF) || errors.Is(r.err, io.ErrUnexpectedEOF) {
			r.err = errNoSettings
		}
		if r.err != nil {
			return nil, Settings{}, fmt.Errorf("settings: %w", r.err)
		}
		if r.settings.Stop <= 0 {
			r.settings.Stop = DefaultStop
		}
		return ctx, r.settings, nil
	case <-time.After(settingsWithin):
		return nil, Settings{}, errNoSettings
	case <-outer.Done():
		return nil, Settings{}, context.Cause(outer)
	}
}
