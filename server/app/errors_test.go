package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/template"
)

// TestNewErrorsAreEvents: of a service that is known for an hour, and once each, also when the store was started again.
func TestNewErrorsAreEvents(t *testing.T) {
	p := prepare(t, hello)
	path := filepath.Join(filepath.Dir(p.path), "data", "logs", "templates.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	before, m := time.Now().Add(-time.Hour), template.Open(template.Options{Path: path})
	m.Observe(before, []entry.Entry{{Service: "shop", Level: entry.Error, Message: "an old one"}})
	if err := m.Save(before); err != nil {
		t.Fatal(err)
	}
	p.again(t, quick(), "")
	t.Cleanup(func() { p.Stop() })
	p.up(t)
	say := func(text string) {
		t.Helper()
		answer, err := http.Post("http://"+p.admin+"/api/v1/logs", "", strings.NewReader(`{"service":"shop","level":"error","msg":"`+text+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Fatal(answer.Status)
		}
	}
	told := func() (list []string) {
		for _, e := range p.Events().Recent(1000) {
			if e.Kind == event.KindNewError {
				list = append(list, e.Service+": "+e.Reason)
			}
		}
		return list
	}
	say("an old one")
	say("cannot reach db-7")
	say("cannot reach db-8")
	until(t, "the error is told", func() bool { return len(told()) > 0 })
	pid := p.report(t).Store.PID
	victim, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	until(t, "the store is up again", func() bool { s := p.report(t).Store; return s.State == "up" && s.PID != pid })
	say("no more coffee")
	until(t, "the next one is told", func() bool { return len(told()) > 1 })
	if got := strings.Join(told(), ", "); got != "shop: cannot reach db-7, shop: no more coffee" {
		t.Error(got)
	}
}
