package template

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"
)

// saveEvery is how often what is known is saved, when it has changed.
const saveEvery = time.Minute

// maxFile bounds the file that is read, in bytes.
const maxFile = 64 << 20

// file is what is kept over a restart.
type file struct {
	Version  int                    `json:"version"`
	Services map[string]fileService `json:"services"`
}

// fileService is what is kept of a service.
type fileService struct {
	// Since is its first line, Last its last one, in nanoseconds since 1970.
	Since int64 `json:"since"`
	Last  int64 `json:"last"`
	// Known are the errors, by ID in hexadecimal, with the day of their last line, from 1970.
	Known map[string]uint16 `json:"known,omitempty"`
}

const fileVersion = 1

// Open makes a miner. When the file cannot be read, Options.Log is told, the file is kept under another name if it is
// damaged, and all services are new.
func Open(o Options) *Miner {
	m := &Miner{options: o.withDefaults(), services: map[string]*service{}}
	if m.options.Path == "" {
		return m
	}
	if err := m.load(); err != nil {
		m.options.Log.Warn("which errors are known in the logs cannot be read: they are learnt again", "error", err)
	}
	return m
}

func (m *Miner) load() error {
	info, err := os.Stat(m.options.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Size() > maxFile:
		return m.aside(fmt.Errorf("%s is larger than %d bytes", m.options.Path, maxFile))
	}
	text, err := os.ReadFile(m.options.Path)
	if err != nil {
		return err
	}
	if err := m.decode(text); err != nil {
		m.services = map[string]*service{}
		return m.aside(err)
	}
	return nil
}

// aside keeps a file that is not understood for whoever wants to look at it.
func (m *Miner) aside(err error) error {
	return errors.Join(err, os.Rename(m.options.Path, m.options.Path+".bad"))
}

// decode reads what was kept.
func (m *Miner) decode(text []byte) error {
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	if f.Version != fileVersion {
		return fmt.Errorf("version %d is not known", f.Version)
	}
	for name, kept := range f.Services {
		if len(m.services) >= m.options.Services {
			return nil
		}
		s := newService(name, kept.Since)
		s.last = kept.Last
		for id, day := range kept.Known {
			hash, err := strconv.ParseUint(id, 16, 64)
			if err != nil {
				return fmt.Errorf("service %.40q: %w", name, err)
			}
			if len(s.known) < m.options.Known {
				s.known[hash] = day
			}
		}
		m.services[name] = s
	}
	return nil
}

// encode writes what is kept, without what is forgotten.
func (m *Miner) encode(now time.Time) ([]byte, error) {
	m.mu.Lock()
	since := now.Add(-m.options.Forget).UnixNano()
	oldest := dayOf(since)
	f := file{Version: fileVersion, Services: make(map[string]fileService, len(m.services))}
	for name, s := range m.services {
		if s.last < since {
			delete(m.services, name)
			continue
		}
		kept := fileService{Since: s.since, Last: s.last, Known: make(map[string]uint16, len(s.known))}
		for hash, day := range s.known {
			if day < oldest {
				delete(s.known, hash)
				continue
			}
			kept.Known[strconv.FormatUint(hash, 16)] = day
		}
		f.Services[name] = kept
	}
	m.changed = false
	m.mu.Unlock()
	return json.Marshal(f)
}

// Save writes what is known to the file, if it has changed. The file is either the old one or the new one, whatever happens.
func (m *Miner) Save(now time.Time) error {
	m.saving.Lock()
	defer m.saving.Unlock()
	m.mu.Lock()
	changed := m.changed
	m.mu.Unlock()
	if !changed || m.options.Path == "" {
		return nil
	}
	text, err := m.encode(now)
	if err == nil {
		err = replace(m.options.Path, text)
	}
	if err != nil {
		m.mu.Lock()
		m.changed = true
		m.mu.Unlock()
		return fmt.Errorf("which errors are known in the logs cannot be saved: %w", err)
	}
	return nil
}

// replace writes a file beside the old one, and then puts it in its place.
func replace(path string, text []byte) error {
	fresh := path + ".new"
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(fresh)) // a full disk gets its room back
	}
	return os.Rename(fresh, path)
}

// Run saves what is known every minute until ctx ends, and then once more.
func (m *Miner) Run(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	failing := false
	save := func() {
		err := m.Save(time.Now())
		if err != nil && !failing { // once is enough: a full disk stays full
			m.options.Log.Warn(err.Error())
		}
		failing = err != nil
	}
	for {
		select {
		case <-tick.C:
			save()
		case <-ctx.Done():
			save()
			return
		}
	}
}
