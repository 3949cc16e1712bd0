package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/api"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/status"
)

// adminAPI makes the admin API over the parts of the process.
func (a *App) adminAPI() *api.API {
	return api.New(api.Deps{
		Process: func() status.Process {
			state, _ := a.state.Load().(string) // it is set from the beginning
			return status.Process{Version: a.opt.Version, State: state, Started: a.started}
		},
		Config:   a.configStatus,
		Services: func() []status.Service { return a.gateway.Services(gabion.Now()) },
		Limits:   func() []status.Limit { return a.gateway.Limits() },
		Routes:   a.metrics.Routes,
		Top:      func(by status.By, n int) []status.Usage { return a.gateway.Top(gabion.Now(), by, n) },
		Events:   a.events,
		Metrics:  a.metrics.Handler(),
		Store:    a.storeStatus,
		Stored:   a.stored(),
		Control:  control{a},
		Faults:   a.gateway,
		Token:    func() string { return *a.token.Load() },
	})
}

// readToken reads the token of the admin API; "" when none is configured.
func readToken(cfg *config.File) (string, error) {
	if cfg.Gateway.Token.IsZero() {
		return "", nil
	}
	token, err := cfg.Gateway.Token.Read()
	if err != nil {
		return "", fmt.Errorf("gateway.token: %w", err)
	}
	return token, nil
}

// configStatus is the configuration in force as the API shows it.
func (a *App) configStatus() status.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.source
}

// adminServer serves the admin API.
func (a *App) adminServer() *http.Server {
	handler := a.adminAPI()
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	server.RegisterOnShutdown(handler.Close) // Close of the server cuts who follows the events anyway
	return server
}

// control changes the configuration for the admin API.
type control struct{ app *App }

// Source implements [api.Control].
func (c control) Source() (text []byte, etag string) {
	c.app.mu.Lock()
	defer c.app.mu.Unlock()
	return c.app.config.Source, c.app.source.ETag
}

// Replace implements [api.Control]. The file is written before the configuration comes into force, and put back when it
// does not: what runs is what the next start would read. So a configuration that is not taken changes nothing of what is
// said about the one in force.
func (c control) Replace(text []byte, matches func(etag string) bool) error {
	a := c.app
	a.mu.Lock()
	defer a.mu.Unlock()
	if !matches(a.source.ETag) {
		return api.ErrChanged
	}
	loaded, err := config.Parse(a.opt.Path, text, a.opt.Env, a.opt.Flags)
	if err != nil {
		return a.declined(err)
	}
	before, err := os.ReadFile(a.opt.Path)
	if err != nil {
		return a.declined(fmt.Errorf("%w: %w", api.ErrStore, err))
	}
	if err := replaceFile(a.opt.Path, text); err != nil {
		return a.declined(fmt.Errorf("%w: %w", api.ErrStore, err))
	}
	if err := a.apply(loaded); err != nil {
		if undone := replaceFile(a.opt.Path, before); undone != nil {
			return a.refused(fmt.Errorf("%w: %w; and the file could not be put back: %w", api.ErrStore, err, undone))
		}
		return a.declined(err)
	}
	return nil
}

// Reload implements [api.Control].
func (c control) Reload() error {
	err := c.app.Reload()
	if _, problems := errors.AsType[config.Problems](err); err == nil || problems {
		return err
	}
	if _, unreadable := errors.AsType[*os.PathError](err); unreadable {
		return fmt.Errorf("%w: %w", api.ErrStore, err)
	}
	return err
}

// replaceFile puts text in the place of a file that exists, with its mode, at once: whoever reads it sees the old or the
// new one, also after a crash. Where a link stands, what it leads to is replaced.
func replaceFile(path string, text []byte) (err error) {
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
