package app

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
)

// Reload reads the configuration file again and brings it into force. When something is wrong with it, the one before
// stays in force.
func (a *App) Reload() error {
	loaded, err := config.Load(a.opt.Path, a.opt.Env, a.opt.Flags)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		return a.refused(err)
	}
	return a.apply(loaded)
}

// changed is called when something happened to the file.
func (a *App) changed() {
	source, err := os.ReadFile(a.opt.Path)
	a.mu.Lock()
	same := err == nil && bytes.Equal(source, a.config.Source)
	a.mu.Unlock()
	if same {
		return
	}
	if err := a.Reload(); err != nil {
		a.log.Error("the configuration in force stays", "error", err.Error())
	}
}

// apply brings a checked configuration into force. The lock is held.
func (a *App) apply(loaded *config.Loaded) error {
	old := a.config.File.Gateway
	if loaded.File.Gateway.Admin != old.Admin {
		return a.refused(fmt.Errorf("gateway.admin: cannot change from %s to %s while running; restart", old.Admin, loaded.File.Gateway.Admin))
	}
	if err := a.front.Reload(a.frontConfig(&loaded.File)); err != nil {
		return a.refused(err)
	}
	err := a.gateway.Apply(&loaded.File)
	a.keep()
	if err != nil {
		return a.refused(err)
	}
	a.config = loaded
	now := time.Now().UTC()
	a.source.Generation++
	a.source.ETag, a.source.Loaded, a.source.Tried, a.source.Error = loaded.ETag(), now, now, ""
	a.events.Add(event.Event{Kind: event.KindReload, To: fmt.Sprintf("generation %d", a.source.Generation), Reason: "a new configuration is in force"})
	return nil
}

// refused notes why a configuration did not come into force. The lock is held.
func (a *App) refused(err error) error {
	a.source.Tried, a.source.Error = time.Now().UTC(), err.Error()
	a.events.Add(event.Event{Kind: event.KindReload, To: "refused", Reason: err.Error()})
	return err
}
