package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/status"
)

// Reload reads the configuration file again and brings it into force. When something is wrong with it, the one before
// stays in force.
func (a *App) Reload() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	// It is read under the lock: of two reloads at a time, the later one must not bring an older file into force.
	loaded, err := config.Load(a.opt.Path, a.opt.Env, a.opt.Flags)
	if err != nil {
		return a.refused(err)
	}
	if err := a.apply(loaded); err != nil {
		return a.refused(err)
	}
	return nil
}

// changed is called when something happened to the file.
func (a *App) changed() {
	source, err := os.ReadFile(a.opt.Path)
	if err != nil {
		source = []byte(err.Error())
	}
	a.mu.Lock()
	// What was refused is not tried again, however much happens in the folder. After it, the file as it was before is news.
	same := bytes.Equal(source, a.seen)
	a.seen = source
	a.mu.Unlock()
	if same {
		return
	}
	if err := a.Reload(); err != nil {
		a.log.Error("the configuration in force stays", "error", err.Error())
	}
}

// errStopping refuses a configuration that would bring up again what is being taken down.
var errStopping = errors.New("the process is about to stop")

// apply brings a checked configuration into force. The lock is held.
func (a *App) apply(loaded *config.Loaded) error {
	if state := a.state.Load(); a.ctx.Err() != nil || state == status.Draining || state == status.Stopped {
		return errStopping
	}
	old := a.config.File.Gateway
	if loaded.File.Gateway.Admin != old.Admin {
		return fmt.Errorf("gateway.admin: cannot change from %s to %s while running; restart", old.Admin, loaded.File.Gateway.Admin)
	}
	if loaded.File.Data != a.config.File.Data {
		return errData
	}
	token, err := readToken(&loaded.File)
	if err != nil {
		return err
	}
	settings, err := a.storeSettings(&loaded.File)
	if err != nil {
		return err
	}
	if err := a.front.Reload(a.frontConfig(&loaded.File)); err != nil {
		return err
	}
	err = a.gateway.Apply(&loaded.File)
	a.keep()
	if err != nil {
		return errors.Join(err, a.front.Reload(a.frontConfig(&a.config.File)))
	}
	a.config, a.seen = loaded, loaded.Source
	a.token.Store(&token)
	a.reconfigureStore(&loaded.File, settings)
	now := time.Now().UTC()
	a.source.Generation++
	a.source.ETag, a.source.Loaded, a.source.Tried, a.source.Error = loaded.ETag(), now, now, ""
	a.events.Add(event.Event{Kind: event.KindReload, To: fmt.Sprintf("generation %d", a.source.Generation), Reason: "a new configuration is in force"})
	return nil
}

// refused notes why what is in the file is not in force. The lock is held.
func (a *App) refused(err error) error {
	a.source.Tried, a.source.Error = time.Now().UTC(), err.Error()
	return a.declined(err)
}

// declined tells why a configuration did not come into force.
func (a *App) declined(err error) error {
	a.events.Add(event.Event{Kind: event.KindReload, To: "refused", Reason: err.Error()})
	return err
}
