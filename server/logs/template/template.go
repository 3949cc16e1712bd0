// Package template finds out what kinds of lines a log has. The template of a line is its message with everything that
// varies replaced by "<*>":
//
//	dial tcp 10.0.0.7:5432: connect: connection refused   ─▶   dial tcp <*>: connect: connection refused
//
// A [Miner] counts all lines by service and level, and important ones by template, too. An error whose template its service
// never had before is an [Event]. What is known is kept over a restart, and a service that is new has time to be learnt,
// so neither makes a storm of events.
//
// The rules are fixed, so a line has the same template everywhere and always: words with digits vary (unless they are terms
// such as x509), and so do UUIDs, addresses, hashes, names of pods, what stands in quotes, the parameters of URLs, and the
// values of key=value, except where the key says that the value is the message. Wilds side by side become one, so that the
// length of a list does not matter.
package template

import (
	"cmp"
	"container/list"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Others is the service under whose name all are counted for which there was no room.
const Others = "(others)"

// Options are what a [Miner] is made of. The zero value of every field means its default.
type Options struct {
	// Path is the file that keeps which errors are known. Default: none, so all is new after a restart, once it is warm.
	Path string
	// Level is the lowest of which templates are made. Default: entry.Warn.
	Level entry.Level
	// Services is how many services are counted by name; all others are [Others]. One that had no line for an hour makes room
	// for another. Default: 1,000.
	Services int
	// Templates is how many templates of a service are counted; the one that was not seen for longest goes. Default: 200.
	Templates int
	// Known is how many templates of errors are remembered of a service. When there are more, none of them is an event.
	// Default: 500.
	Known int
	// Forget is after how long an error that did not come back is new again, and so is a service. Default: 90 days.
	Forget time.Duration
	// WarmUp is for how long, from its first line on, the errors of a service are no events. Default: 10 min.
	WarmUp time.Duration
	// Events is how many a service may have in an hour; the next one says how many were left out. Default: 10.
	Events int
	// Top is how many templates are metrics, those with the most lines. Default: 50.
	Top int
	// Log is told when the file cannot be read or written. Default: nobody.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Level = cmp.Or(o.Level, entry.Warn)
	o.Services = cmp.Or(max(o.Services, 0), 1000)
	o.Templates = cmp.Or(max(o.Templates, 0), 200)
	o.Known = cmp.Or(max(o.Known, 0), 500)
	o.Forget = cmp.Or(max(o.Forget, 0), 90*24*time.Hour)
	o.WarmUp = cmp.Or(max(o.WarmUp, 0), 10*time.Minute)
	o.Events = cmp.Or(max(o.Events, 0), 10)
	o.Top = cmp.Or(max(o.Top, 0), 50)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Event is that a service has an error that it never had before.
type Event struct {
	// Time is that of the line, in nanoseconds since 1970.
	Time              int64
	Service, Instance string
	Level             entry.Level
	// ID is that of the template, the same everywhere and always.
	ID       string
	Template string
	// Message is the line, at most 1 KiB of it. Trace is its trace, may be empty.
	Message, Trace string
	// Omitted is how many events of the service were left out before this one, because it had too many.
	Omitted int
}

// Count is how many lines there were of a template since it is counted.
type Count struct {
	Service  string
	Level    entry.Level
	ID       string
	Template string
	Lines    uint64
	// First and Last are when lines came, in nanoseconds since 1970.
	First, Last int64
}

// Miner counts lines and finds new errors. It is safe for concurrent use. Make it with [Open].
type Miner struct {
	options Options

	mu       sync.Mutex
	services map[string]*service
	text     []byte // the template of a line
	swept    int64  // when a service was sought last that makes room
	changed  bool   // what is known, since it was saved
	saving   sync.Mutex
}

// service is what is known of a service.
type service struct {
	name      string
	lines     [entry.Fatal + 1]uint64
	templates map[string]*list.Element // by level and text
	recent    list.List                // of *counted, the one that was seen last first

	since   int64             // its first line, in nanoseconds since 1970
	last    int64             // its last line
	known   map[uint64]uint16 // errors by ID, with the day of the last line
	hour    int64             // of the events
	events  int               // in that hour
	omitted int
}

// counted is a template that is counted.
type counted struct {
	Count
	key  string
	hash uint64
	day  uint16 // that known has
}

// Observe counts lines that came at a time, and returns the errors among them that are new. It keeps nothing of the lines
// but copies. Lines that were made of spans are not counted, and those of the access log have no templates.
func (m *Miner) Observe(now time.Time, lines []entry.Entry) (events []Event) {
	at := now.UnixNano()
	today := dayOf(at)
	m.mu.Lock()
	defer m.mu.Unlock()
	var s *service
	for i := range lines {
		e := &lines[i]
		if e.IsSpan() {
			continue
		}
		if s == nil || s.name != e.Service {
			s = m.service(e.Service, at)
			if dayOf(s.last) != today {
				m.changed = true
			}
			s.since, s.last = min(s.since, at), at // the clock may have been wrong
		}
		s.lines[min(e.Level, entry.Fatal)]++
		if e.Level < m.options.Level || isAccess(e) {
			continue
		}
		c := m.count(s, e, at)
		if e.Level >= entry.Error && m.isNew(s, c, at) {
			events = append(events, event(s, c, e))
		}
	}
	return events
}

// isAccess says whether a line is one of the gateway's access log, which has no message to speak of.
func isAccess(e *entry.Entry) bool {
	return len(e.Attrs) > 0 && e.Attrs[0].Name == "kind" && e.Attrs[0].Value == "access"
}

// service finds a service, or makes it. The lock is held.
func (m *Miner) service(name string, at int64) *service {
	if s := m.services[name]; s != nil {
		return s
	}
	if len(m.services) >= m.options.Services && !m.makeRoom(at) {
		if s := m.services[Others]; s != nil {
			return s
		}
		name = Others
	}
	s := newService(strings.Clone(name), at)
	m.services[s.name] = s
	m.changed = true
	return s
}

// idle is for how long a service that makes room for another has had no line.
const idle = int64(time.Hour)

// makeRoom gives up the service that had no line for longest, if that is long enough. It looks once a second. The lock is
// held.
func (m *Miner) makeRoom(at int64) bool {
	if d := at - m.swept; d >= 0 && d < int64(time.Second) {
		return false
	}
	m.swept = at
	var oldest *service
	for _, s := range m.services {
		if s.name != Others && (oldest == nil || s.last < oldest.last) {
			oldest = s
		}
	}
	if oldest == nil || at-oldest.last < idle {
		return false
	}
	delete(m.services, oldest.name)
	return true
}

func newService(name string, since int64) *service {
	return &service{name: name, since: since, last: since, templates: map[string]*list.Element{}, known: map[uint64]uint16{}}
}

// count counts a line by its template. The lock is held.
func (m *Miner) count(s *service, e *entry.Entry, at int64) *counted {
	m.text = append(m.text[:0], byte(e.Level))
	m.text = appendMask(m.text, e.Message)
	m.text = appendCause(m.text, e)
	found := s.templates[string(m.text)]
	if found == nil {
		found = m.add(s, e.Level, at)
	} else {
		s.recent.MoveToFront(found)
	}
	c := found.Value.(*counted)
	c.Lines++
	c.Last = at
	return c
}

// causes are the attributes that say what an error is about when the message does not.
var causes = [...]string{"exception.type", "error.type", "error", "err", "exception"}

// appendCause appends the template of the attribute that says what went wrong.
func appendCause(b []byte, e *entry.Entry) []byte {
	for i := range e.Attrs {
		if a := &e.Attrs[i]; slices.Contains(causes[:], a.Name) && a.Value != "" {
			b = append(b, ": "...)
			return appendMask(b, a.Value)
		}
	}
	return b
}

// add begins to count the template that is in m.text. The lock is held.
func (m *Miner) add(s *service, level entry.Level, at int64) *list.Element {
	if len(s.templates) >= m.options.Templates {
		last := s.recent.Back()
		delete(s.templates, last.Value.(*counted).key)
		s.recent.Remove(last)
	}
	key := string(m.text)
	sum := fnv.New64a()
	sum.Write(m.text)
	c := &counted{key: key, hash: sum.Sum64()}
	c.Count = Count{Service: s.name, Level: level, ID: fmt.Sprintf("%016x", c.hash), Template: strings.ToValidUTF8(key[1:], "?"), First: at}
	found := s.recent.PushFront(c)
	s.templates[key] = found
	return found
}

// isNew says whether an error is an event, and makes it known. The lock is held.
func (m *Miner) isNew(s *service, c *counted, at int64) bool {
	today := dayOf(at)
	if c.day == today { // the known path
		return false
	}
	_, known := s.known[c.hash]
	if !known && len(s.known) >= m.options.Known {
		return false
	}
	c.day = today
	s.known[c.hash] = today
	m.changed = true
	if known || at-s.since < int64(m.options.WarmUp) || s.name == Others {
		return false
	}
	if hour := at / int64(time.Hour); hour != s.hour {
		s.hour, s.events = hour, 0
	}
	if s.events >= m.options.Events {
		s.omitted++
		return false
	}
	s.events++
	return true
}

// dayOf is the day of a time, from 1970; 1 at least, so that 0 is no day.
func dayOf(at int64) uint16 { return uint16(min(max(at/int64(24*time.Hour), 1), 1<<16-1)) }

// event makes the event of a line.
func event(s *service, c *counted, e *entry.Entry) Event {
	omitted := s.omitted
	s.omitted = 0
	return Event{
		Time: e.Time, Service: s.name, Instance: strings.Clone(e.Instance), Level: e.Level, ID: c.ID, Template: c.Template,
		Message: string(clip([]byte(e.Message[:min(len(e.Message), maxLook+3)]), maxLook)), Trace: strings.Clone(e.Trace), Omitted: omitted,
	}
}

// Top returns the templates with the most lines, n at most, the largest first.
func (m *Miner) Top(n int) []Count {
	m.mu.Lock()
	var all []Count
	for _, s := range m.services {
		for e := s.recent.Front(); e != nil; e = e.Next() {
			all = append(all, e.Value.(*counted).Count)
		}
	}
	m.mu.Unlock()
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(-cmp.Compare(a.Lines, b.Lines), strings.Compare(a.Service, b.Service), strings.Compare(a.ID, b.ID))
	})
	return all[:min(n, len(all))]
}

// maxLabel is how much of a template is the value of a label, in bytes.
const maxLabel = 200

// Measure gives metrics: gabion_log_lines_total by service and level, and gabion_log_template_lines_total by service, level,
// template and id for those templates that have the most lines.
func (m *Miner) Measure(put func(name string, value float64, labels ...string)) {
	m.mu.Lock()
	for _, s := range m.services {
		for level, n := range s.lines {
			if n > 0 {
				put("gabion_log_lines_total", float64(n), "service", s.name, "level", entry.Level(level).String())
			}
		}
	}
	m.mu.Unlock()
	for _, c := range m.Top(m.options.Top) {
		text := string(clip([]byte(c.Template), maxLabel))
		put("gabion_log_template_lines_total", float64(c.Lines), "service", c.Service, "level", c.Level.String(), "template", text, "id", c.ID)
	}
}
