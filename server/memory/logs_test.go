package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
	logstore "github.com/gabion-io/gabion/server/logs/store"
	"github.com/gabion-io/gabion/server/logs/template"
	"github.com/gabion-io/gabion/server/metrics/tier"
	"github.com/gabion-io/gabion/server/store"
	"github.com/gabion-io/gabion/server/store/disk"
)

func TestAnErrorThatIsNewIsTold(t *testing.T) {
	dir := t.TempDir()
	guard, err := disk.New(disk.Config{Dir: dir, Ballast: disk.NoBallast, Low: 2, Full: 1})
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	l := newLogs(store.Env{Settings: store.Settings{Dir: dir}, Guard: guard, Log: slog.New(slog.DiscardHandler)}, Settings{Instance: "here"}, &news{},
		func(lines []entry.Entry) { kept += len(lines) })
	if err := l.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	l.miner = template.Open(template.Options{WarmUp: 1}) // no service is new

	now := time.Now().UnixNano()
	say := func(level entry.Level, message string) {
		t.Helper()
		if err := l.Append(t.Context(), "p", []entry.Entry{{Time: now, Service: "shop", Level: level, Message: message, Trace: "ab"}}); err != nil {
			t.Fatal(err)
		}
	}
	say(entry.Info, "up")
	for range 3 {
		say(entry.Error, "cannot reach db-7")
	}
	var p page
	if err := newMeasures(l.env.Log, p.take, l).once(t.Context()); err != nil {
		t.Error(err)
	}
	p.want(t, `gabion_log_lines_total{level="error",service="shop"} 3`, `gabion_log_memory_lines 5`, `gabion_log_tier_lines{tier="long"} 0`, `gabion_log_own_unreadable_lines_total 0`)
	var told []*entry.Entry
	for e, err := range l.store.Select(t.Context(), logql.Query{To: math.MaxInt64, Levels: logql.AllLevels, Fields: logql.AllFields}) {
		if err != nil {
			t.Fatal(err)
		}
		if kind, _ := e.Attr("kind"); kind == "new_error" {
			told = append(told, new(*e))
		}
	}
	if len(told) != 1 || kept != 5 {
		t.Fatalf("told %d times, %d lines kept", len(told), kept)
	}
	if list := l.news.since(0).Errors; len(list) != 1 || list[0].Service != "shop" || len(l.news.since(list[0].Number).Errors) != 0 {
		t.Errorf("%+v", list)
	}
	e := told[0]
	of, _ := e.Attr("of")
	if e.Service != "gabion" || e.Instance != "here" || e.Level != entry.Warn || e.Message != "new error of shop: cannot reach db-7" || e.Trace != "ab" || of != "shop" {
		t.Errorf("%+v", e)
	}
}

// What is found damaged of a file until somebody asks is told as one.
func TestDamageIsTold(t *testing.T) {
	var n news
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	found := func(file string, first, lines int) {
		from := at.Add(time.Duration(first) * time.Second)
		n.lines(logstore.Damage{File: file, Part: fmt.Sprint("part ", first), Lines: int64(lines), From: from, To: from.Add(time.Second), Cause: "bad"})
	}
	found("short/a", 10, 3)
	found("short/a", 5, 4)
	n.lines(logstore.Damage{File: "short/a", Part: "end"})
	found("short/b", 1, 1)
	if lines := n.add([]template.Event{{Service: "shop"}}, ""); len(lines) != 1 {
		t.Fatal(lines)
	}
	got := n.since(0)
	if len(got.Damage) != 2 || len(got.Errors) != 1 {
		t.Fatalf("%+v", got)
	}
	a := got.Damage[0]
	if a.File != "logs/short/a" || !a.From.Equal(at.Add(5*time.Second)) || !a.To.Equal(at.Add(11*time.Second)) || a.Reason != "lines lost: 7 (part 10: bad)" {
		t.Errorf("%+v", a)
	}
	found("short/b", 2, 1)
	again := n.since(got.Errors[0].Number)
	if len(again.Damage) != 1 || again.Damage[0].Reason != "lines lost: 1 (part 2: bad)" || len(again.Errors) != 0 {
		t.Errorf("%+v", again)
	}
	n.samples(tier.Damage{File: "raw/a", To: at, Cause: "bad"})
	if got := n.since(again.Damage[0].Number); len(got.Damage) != 1 || got.Damage[0].File != "metrics/raw/a" || got.Damage[0].Reason != "samples lost: all of that time (bad)" {
		t.Errorf("%+v", got)
	}
	for i := range maxNews + 5 {
		found(fmt.Sprint("short/", i), 0, 1)
	}
	if got := n.since(0); len(got.Damage) != maxNews || len(got.Errors) != 1 {
		t.Errorf("%d of damage, %d errors", len(got.Damage), len(got.Errors))
	}
}

func TestNewErrorsAreShown(t *testing.T) {
	var n news
	for i := range maxNews + 50 {
		if lines := n.add([]template.Event{{Service: "shop", Omitted: i}}, ""); len(lines) != 1 || (len(lines[0].Attrs) == 5) != (i > 0) {
			t.Fatalf("%+v", lines)
		}
	}
	if n.last.Errors[0].Number < uint64(time.Now().Add(-time.Hour).UnixMicro()) { // else those of a store that was started again would seem to be old
		t.Error(n.last.Errors[0].Number)
	}
	first := n.last.Errors[0].Number
	for query, want := range map[string]int{"": maxNews, fmt.Sprint("?after=", first): maxNews - 1, fmt.Sprint("?after=", n.number): 0, "?after=x": -1} {
		w := httptest.NewRecorder()
		n.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+query, nil))
		var got News
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if want < 0 && w.Code != http.StatusBadRequest || want >= 0 && (w.Code != http.StatusOK || len(got.Errors) != want || got.Errors == nil) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}
