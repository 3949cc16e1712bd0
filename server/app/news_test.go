package app_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
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

// TestDamageIsAnEvent: what was lost is told when the store is up, and by the answers to queries.
func TestDamageIsAnEvent(t *testing.T) {
	p := prepare(t, hello)
	path := filepath.Join(filepath.Dir(p.path), "data", "logs", "journal", "000000000001.journal")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("no journal "), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	const block = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	if err := os.MkdirAll(filepath.Join(filepath.Dir(p.path), "data", "metrics", "raw", block), 0o700); err != nil { // with nothing in it
		t.Fatal(err)
	}
	p.again(t, quick(), "")
	t.Cleanup(func() { p.Stop() })
	p.up(t)
	var told []event.Event
	until(t, "the damage is told", func() bool {
		told = slices.DeleteFunc(p.Events().Recent(1000), func(e event.Event) bool { return e.Kind != event.KindDamage })
		return len(told) > 0
	})
	if len(told) != 2 || told[0].Key != "metrics/raw/"+block || !strings.Contains(told[0].Reason, "samples lost") {
		t.Fatalf("%+v", told)
	}
	if e := told[1]; e.Key != "logs/journal/000000000001.journal" || e.From != "" || e.To == "" || !strings.Contains(e.Reason, "batches of lines lost: 1") {
		t.Errorf("%+v", told)
	}
	for path, lacks := range map[string]string{
		"/loki/api/v1/query_range?query=%7B%7D&since=1h":                        "lines",
		"/loki/api/v1/query_range?query=%7B%7D&start=4000000000&end=4000000001": "",
		"/prometheus/api/v1/query?query=up":                                     "samples",
		"/prometheus/api/v1/query?query=up&time=4000000000":                     "",
	} {
		got := get(t, "http://"+p.admin+path)
		if !strings.Contains(got, "success") || strings.Contains(got, "warnings") != (lacks != "") || !strings.Contains(got, lacks) {
			t.Errorf("%s: %s", path, got)
		}
	}
}
