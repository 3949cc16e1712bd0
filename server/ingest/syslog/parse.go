// Package syslog takes log lines over the syslog protocol: messages of RFC 5424 and RFC 3164, over UDP and TCP (RFC 6587:
// counted octets, or one message a line).
//
// The name of the application becomes the service, the host the instance; the rest of the header and structured data become
// attributes.
package syslog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// severities are the eight of syslog.
var severities = [8]entry.Level{entry.Fatal, entry.Fatal, entry.Fatal, entry.Error, entry.Warn, entry.Info, entry.Info, entry.Debug}

var facilities = [24]string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// Parse reads a message. One without a time gets now, whose zone is that of times that have none; now also says which
// year a time without one is of. A text that does not begin with a priority is a message without a header (RFC 3164, 4.3.3).
// Its errors are [ingest.ErrRefused] and say at which byte.
func Parse(text string, now time.Time) (entry.Entry, error) {
	text = strings.TrimRight(text, "\r\n\x00 ")
	p := reader{text: text}
	if text == "" {
		return entry.Entry{}, p.fail("a message")
	}
	e := entry.Entry{Time: now.UnixNano()}
	if text[0] != '<' {
		e.Level, e.Message = entry.Info, text
		return e, nil
	}
	priority, err := p.priority()
	if err != nil {
		return entry.Entry{}, err
	}
	e.Level = severities[priority%8]
	e.Attrs = append(e.Attrs, entry.Attr{Name: "facility", Value: facilities[priority/8]})
	if rest, ok := strings.CutPrefix(p.rest(), "1 "); ok {
		p.at = len(text) - len(rest)
		err = p.modern(&e)
	} else {
		p.old(&e, now)
	}
	if err != nil {
		return entry.Entry{}, err
	}
	return e, nil
}

// reader goes through a message.
type reader struct {
	text string
	at   int
}

func (p *reader) rest() string { return p.text[p.at:] }

func (p *reader) fail(want string) error {
	return fmt.Errorf("%w: byte %d: want %s", ingest.ErrRefused, p.at+1, want)
}

// priority reads <165>.
func (p *reader) priority() (int, error) {
	digits, _, ok := strings.Cut(p.text[1:min(len(p.text), 5)], ">")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || digits[0] < '0' || digits[0] > '9' || n >= 8*len(facilities) {
		return 0, p.fail("a priority from <0> to <191>")
	}
	p.at = len(digits) + 2
	return n, nil
}

// modern reads what follows the version of RFC 5424: time host application process id, structured data, text.
func (p *reader) modern(e *entry.Entry) error {
	stamp, err := p.word("a time")
	if err != nil {
		return err
	}
	if stamp != "" {
		t, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil || t.Year() < 1970 || t.Year() > 2261 {
			p.at -= len(stamp) + 1
			return p.fail("a time of RFC 3339, or -")
		}
		e.Time = t.UnixNano()
	}
	if e.Instance, err = p.word("a host"); err != nil {
		return err
	}
	if e.Service, err = p.word("an application"); err != nil {
		return err
	}
	for _, name := range []string{"procid", "msgid"} {
		value, err := p.word(name)
		if err != nil {
			return err
		}
		if value != "" {
			e.Attrs = append(e.Attrs, entry.Attr{Name: name, Value: value})
		}
	}
	if err := p.data(e); err != nil {
		return err
	}
	if p.at < len(p.text) && p.text[p.at] != ' ' {
		return p.fail("a space")
	}
	e.Message = strings.TrimPrefix(strings.TrimPrefix(p.rest(), " "), "\ufeff")
	return nil
}

// word reads up to a space, and the space. "-" is no word.
func (p *reader) word(what string) (string, error) {
	w, _, ok := strings.Cut(p.rest(), " ")
	if !ok || w == "" {
		return "", p.fail(what + " and a space")
	}
	p.at += len(w) + 1
	if w == "-" {
		w = ""
	}
	return w, nil
}

// data reads structured data: [id name="value" …][…], or -. Names are kept as id.name.
func (p *reader) data(e *entry.Entry) error {
	if strings.HasPrefix(p.rest(), "-") {
		p.at++
		return nil
	}
	if !strings.HasPrefix(p.rest(), "[") {
		if p.rest() == "" { // some leave it out at the end
			return nil
		}
		return p.fail("structured data, or -")
	}
	for strings.HasPrefix(p.rest(), "[") {
		p.at++
		id, err := p.name(" ]")
		if err != nil {
			return err
		}
		for strings.HasPrefix(p.rest(), " ") {
			p.at++
			name, err := p.name("=")
			if err != nil {
				return err
			}
			p.at++ // the =
			value, err := p.quoted()
			if err != nil {
				return err
			}
			if len(e.Attrs) < 2*entry.MaxAttrs { // the rest would be cut
				e.Attrs = append(e.Attrs, entry.Attr{Name: id + "." + name, Value: value})
			}
		}
		if !strings.HasPrefix(p.rest(), "]") {
			return p.fail("a space, or ]")
		}
		p.at++
	}
	return nil
}

// name reads a name that ends before one of the given bytes.
func (p *reader) name(ends string) (string, error) {
	n := strings.IndexAny(p.rest(), `= "]`)
	if n <= 0 || strings.IndexByte(ends, p.rest()[n]) < 0 {
		return "", p.fail("a name")
	}
	name := p.rest()[:n]
	p.at += n
	return name, nil
}

// quoted reads a value in quotes, in which a backslash stands before quotes, brackets and itself.
func (p *reader) quoted() (string, error) {
	if !strings.HasPrefix(p.rest(), `"`) {
		return "", p.fail("a quote")
	}
	var b strings.Builder
	for i := p.at + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '"':
			p.at = i + 1
			return b.String(), nil
		case c == '\\' && i+1 < len(p.text) && strings.IndexByte(`"\]`, p.text[i+1]) >= 0:
			i++
			b.WriteByte(p.text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", p.fail("a value that ends with a quote")
}
