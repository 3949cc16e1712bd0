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
	"github.com/gabion-io/gabion/server/logs/template"
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
	l := newLogs(store.Env{Settings: store.Settings{Dir: dir}, Guard: guard, Log: slog.New(slog.DiscardHandler)}, Settings{Instance: "here"},
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
	if list := l.news.since(0); len(list) != 1 || list[0].Service != "shop" || len(l.news.since(list[0].Number)) != 0 {
		t.Errorf("%+v", list)
	}
	e := told[0]
	of, _ := e.Attr("of")
	if e.Service != "gabion" || e.Instance != "here" || e.Level != entry.Warn || e.Message != "new error of shop: cannot reach db-7" || e.Trace != "ab" || of != "shop" {
		t.Errorf("%+v", e)
	}
}

func TestNewErrorsAreShown(t *testing.T) {
	var n news
	for i := range maxNews + 50 {
		if lines := n.add([]template.Event{{Service: "shop", Omitted: i}}, ""); len(lines) != 1 || (len(lines[0].Attrs) == 5) != (i > 0) {
			t.Fatalf("%+v", lines)
		}
	}
	if n.last[0].Number < uint64(time.Now().Add(-time.Hour).UnixMicro()) { // else those of a store that was started again would seem to be old
		t.Error(n.last[0].Number)
	}
	first := n.last[0].Number
	for query, want := range map[string]int{"": maxNews, fmt.Sprint("?after=", first): maxNews - 1, fmt.Sprint("?after=", n.number): 0, "?after=x": -1} {
		w := httptest.NewRecorder()
		n.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+query, nil))
		var got NewErrors
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if want < 0 && w.Code != http.StatusBadRequest || want >= 0 && (w.Code != http.StatusOK || len(got.Errors) != want || got.Errors == nil) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}
