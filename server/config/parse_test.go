package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/server/store"
)

// parse reads a configuration that must be right.
func parse(t *testing.T, source string, env ...string) *Loaded {
	t.Helper()
	loaded, err := Parse("gabion.yaml", []byte(source), env, nil)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return loaded
}

// problems reads a configuration that must be wrong.
func problems(t *testing.T, source string, env []string, flags ...Flag) Problems {
	t.Helper()
	_, err := Parse("gabion.yaml", []byte(source), env, flags)
	found, ok := errors.AsType[Problems](err)
	if !ok {
		t.Fatalf("Parse: %v, want Problems", err)
	}
	return found
}

const minimal = "services: {app: {endpoints: [http://127.0.0.1:9001]}}\nroutes: [{service: app}]\n"

func TestTheExampleOfTheDocumentation(t *testing.T) {
	source, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f := parse(t, string(source)).File
	catalog := f.Services["catalog"]
	if got := catalog.Endpoints[0]; got != (Endpoint{URL: "http://127.0.0.1:9001", Weight: 1, Zone: "a"}) {
		t.Errorf("endpoint %+v", got)
	}
	if got := catalog.Timeout.Config; got.Total != time.Second || got.Attempt != 400*time.Millisecond || got.Connect != 200*time.Millisecond {
		t.Errorf("timeout %+v", got)
	}
	if got := catalog.Retry.Config; !reflect.DeepEqual(got.On, []string{"connect", "reset", "timeout", "502", "503", "504"}) || got.Budget != 0.2 {
		t.Errorf("retry %+v", got)
	}
	if got := catalog.Breaker.Config; !got.DropConnections || got.SlowCall != 300*time.Millisecond || got.Consecutive != gabion.Off {
		t.Errorf("breaker %+v", got)
	}
	if got := catalog.Fallback[1].Respond.JSON; !reflect.DeepEqual(got, map[string]any{"items": []any{}, "degraded": true}) {
		t.Errorf("respond %#v", got)
	}
	if got := f.Limits["expensive"]; got.ServerTime != (ratelimit.Quota{Time: 2 * time.Second, Per: 10 * time.Second}) ||
		got.Overrides["partner-7"].ServerTime.Time != 20*time.Second || got.Mode != "enforce" {
		t.Errorf("limit %+v", got)
	}
	if got := f.Routes[0]; got.Match.Header["X-Beta"] != "1" || got.Identity[0] != "header:X-Api-Key" || got.Priority != gabion.Critical {
		t.Errorf("route %+v", got)
	}
}

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	f := parse(t, minimal).File
	if got := f.Gateway; got.Listen[0].Address != ":8080" || got.Admin != "127.0.0.1:8081" || got.MaxBody != 10<<20 || got.Drain != 20*time.Second {
		t.Errorf("gateway %+v", got)
	}
	app := f.Services["app"]
	if !app.Health.Active.Off || app.Health.Passive.Off || app.Health.Passive.Config.ConsecutiveErrors != 5 {
		t.Errorf("health %+v", app.Health)
	}
	if app.Retry.Off || app.Retry.Config.Attempts != 3 || app.Breaker.Off || app.Timeout.Config.Total != 10*time.Second {
		t.Errorf("policies %+v %+v %+v", app.Retry, app.Breaker, app.Timeout)
	}
	if app.Breaker.Config.ProbeLease != app.Breaker.Config.OpenFor {
		t.Errorf("probe_lease is %v, want that of open_for, %v", app.Breaker.Config.ProbeLease, app.Breaker.Config.OpenFor)
	}
	if got := f.Routes[0]; got.Name != "/" || !reflect.DeepEqual(got.Identity, []string{"ip"}) || got.Timeout != 0 {
		t.Errorf("route %+v", got)
	}
	if !f.Logs.Access || f.Data != "./gabion-data" {
		t.Errorf("logs %+v data %q", f.Logs, f.Data)
	}
}

func TestOffIsNotTheDefault(t *testing.T) {
	app := parse(t, `
services:
  app:
    endpoints: [http://127.0.0.1:9001]
    retry: {budget: off}
    breaker: {failure_rate: off, slow_rate: off, consecutive: 5}
    timeout: off
    bulkhead: off
    health: {active: off, passive: off, slow_start: off}
`).File.Services["app"]
	if app.Retry.Config.Budget != gabion.Off || app.Breaker.Config.FailureRate != gabion.Off || app.Breaker.Config.SlowRate != gabion.Off {
		t.Errorf("%+v %+v", app.Retry, app.Breaker)
	}
	if !app.Timeout.Off || !app.Bulkhead.Off || !app.Health.Passive.Off || !app.Health.Active.Off || app.Health.SlowStart != gabion.Off {
		t.Errorf("%+v %+v %+v", app.Timeout, app.Bulkhead, app.Health)
	}
	if app.Retry.Off || app.Breaker.Off {
		t.Error("what was not switched off is off")
	}
}

func TestDefaultsGiveWayToWhatWasWritten(t *testing.T) {
	app := parse(t, `
services:
  app:
    endpoints: [http://127.0.0.1:9001]
    timeout: {total: 150ms}
    retry: {backoff: {max: 5ms}}
    health: {active: {path: /healthz, interval: 300ms}}
`).File.Services["app"]
	got := []time.Duration{app.Timeout.Config.Attempt, app.Timeout.Config.Connect, app.Retry.Config.Backoff.Initial, app.Health.Active.Config.Timeout}
	want := []time.Duration{150 * time.Millisecond, 150 * time.Millisecond, 5 * time.Millisecond, 300 * time.Millisecond}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("attempt, connect, initial, timeout are %v, want %v", got, want)
	}
}

func TestListsMayBeExplicitlyEmpty(t *testing.T) {
	app := parse(t, "services: {app: {endpoints: [http://a], retry: {methods: []}}}").File.Services["app"]
	if m := app.Retry.Config.Methods; m == nil || len(m) != 0 {
		t.Errorf("methods are %#v, want an empty list", m)
	}
}

func TestSeveralFormsOfListen(t *testing.T) {
	for source, want := range map[string]Listeners{
		`":80"`:                   {{Address: ":80"}},
		`[":80", "127.0.0.1:81"]`: {{Address: ":80"}, {Address: "127.0.0.1:81"}},
		`{address: ":80"}`:        {{Address: ":80"}},
		`[{address: ":1", tls: {cert: a, key: b}}]`: {{Address: ":1", TLS: &TLS{"a", "b"}}},
	} {
		if got := parse(t, "gateway: {listen: "+source+"}").File.Gateway.Listen; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", source, got, want)
		}
	}
}

func TestRoutesWithoutNamesGetThem(t *testing.T) {
	routes := parse(t, `
services: {app: {endpoints: [http://a]}}
routes:
  - {service: app, match: {host: Shop.Example, path: "/a/{id}", methods: [GET, PUT]}}
  - {service: app, match: {path: /b, header: {x-a: "1"}}}
  - {service: app, match: {path: /b}}
  - {service: app, name: x}
`).File.Routes
	var got []string
	for _, r := range routes {
		got = append(got, r.Name)
	}
	if want := []string{"GET,PUT shop.example/a/{id}", "/b", "/b #2", "x"}; !reflect.DeepEqual(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
}

func TestAnchorsAndMerges(t *testing.T) {
	f := parse(t, `
x-policies: &policies
  timeout: {total: 2s}
  balance: hash
services:
  a: {<<: *policies, endpoints: [http://a], balance: round_robin}
  b:
    <<: [{timeout: {total: 3s}}, *policies]
    endpoints: &b [http://b]
  c:
    endpoints: [http://c]
    standby: *b
`).File.Services
	if f["a"].Balance != "round_robin" || f["a"].Timeout.Config.Total != 2*time.Second {
		t.Errorf("a: %+v", f["a"])
	}
	if f["b"].Balance != "hash" || f["b"].Timeout.Config.Total != 3*time.Second || f["c"].Standby[0].URL != "http://b" {
		t.Errorf("b: %+v", f["b"])
	}
}

func TestKitsProblemsStandAtTheirKeys(t *testing.T) {
	found := problems(t, "services:\n  app:\n    endpoints: [http://a]\n    breaker: {failure_rate: 140%}\n    retry:\n      backoff: {initial: 9s, max: 5s}\n", nil)
	var got []string
	for _, p := range found {
		got = append(got, fmt.Sprintf("%d:%d %s", p.Line, p.Column, p.Path))
	}
	want := []string{"4:29 services.app.breaker.failure_rate", "6:26 services.app.retry.backoff.initial"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("problems at %q, want %q\n%v", got, want, found)
	}
}

func TestHashIsOfTheMeaning(t *testing.T) {
	a := parse(t, minimal)
	b := parse(t, "# the same\ndata: ./gabion-data\n"+minimal)
	c := parse(t, minimal+"logs: {access: false}\n")
	if a.Hash != b.Hash || a.Hash == c.Hash || len(a.Hash) != 16 {
		t.Errorf("hashes %s %s %s", a.Hash, b.Hash, c.Hash)
	}
	if a.ETag() == b.ETag() || !strings.HasPrefix(a.ETag(), `"`) {
		t.Errorf("entity tags %s %s: comments count", a.ETag(), b.ETag())
	}
	if string(a.Source) != minimal {
		t.Error("the source is not kept")
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "gabion.yaml")
	_, err := Load(file, nil, nil)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "gabion init") {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := Load(dir, nil, nil); err == nil || errors.As(err, new(Problems)) {
		t.Errorf("a folder: %v, want an error of reading", err)
	}
	if err := os.WriteFile(file, []byte(minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(file, nil, nil)
	if err != nil || loaded.Name != file {
		t.Errorf("%v: %v", loaded, err)
	}
}

// Nothing that can be written makes reading take long or much memory.
func TestBounds(t *testing.T) {
	bomb := "x-a: &a [1,1,1,1,1,1,1,1,1,1]\n"
	for c := 'b'; c < 'l'; c++ {
		bomb += fmt.Sprintf("x-%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 10), ","))
	}
	merges := "x-a: &a {k: 1}\n"
	for c := 'b'; c < 'z'; c++ {
		merges += fmt.Sprintf("x-%c: &%c {<<: [*%c, *%c]}\n", c, c, c-1, c-1)
	}
	for name, test := range map[string]struct{ source, want string }{
		"laughs":    {bomb, "more than 200000 values"},
		"merges":    {merges, "more than 200000 values"},
		"deep":      {"data: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "nested more than 64 deep"},
		"deeper":    {"data: " + strings.Repeat("[", 50000), "nested too deeply"},
		"large":     {"# " + strings.Repeat("x", maxSource), "larger than 4MiB"},
		"long line": {"data: [" + strings.Repeat("a,", 150000) + "]", "takes a text"},
		"problems":  {strings.Repeat("- a\n", 10) + "- {a: ", "not valid YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			found := problems(t, test.source, nil)
			if got := found.Error(); !strings.Contains(got, test.want) || len(got) > 100_000 {
				t.Errorf("%d bytes: %.300s, want %q", len(got), got, test.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/example.yaml", "starter.yaml") {
		source, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		loaded, err := Parse("f", source, nil, nil)
		if err == nil {
			again(t, loaded)
			return
		}
		found, ok := errors.AsType[Problems](err)
		if !ok || len(found) == 0 {
			t.Fatalf("error without problems: %v", err)
		}
		lines := strings.Count(string(source), "\n") + 1
		for _, p := range found {
			if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" {
				t.Errorf("problem without a place in %d lines: %+v", lines, p)
			}
		}
	})
}

// TestDataWithALongPath: there is a socket in it.
func TestDataWithALongPath(t *testing.T) {
	most := "/" + strings.Repeat("d", store.MaxDir()-1)
	parse(t, "data: "+most+"\n"+minimal)
	_, err := Parse("gabion.yaml", []byte("data: "+most+"d\n"+minimal), nil, nil)
	want := fmt.Sprintf("data is a path of %d bytes, must have at most %d", store.MaxDir()+1, store.MaxDir())
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestHowMuchIsTaken(t *testing.T) {
	for text, want := range map[string]string{
		"per_service: {lines: 1/s, bytes: 1KiB/s}":                            "",
		"per_service: {lines: 60/m, bytes: 60KiB/m}":                          "",
		"per_service: {lines: 1000000/s, bytes: 256MiB/s}":                    "",
		"per_service: {lines: 59/m}":                                          "ingest.per_service.lines is 59/m, must be at least 1/s and at most 1000000/s",
		"per_service: {lines: 1000001/s}":                                     "ingest.per_service.lines is 1000001/s, must be",
		"per_service: {bytes: 1023B/s}":                                       "ingest.per_service.bytes is 1023B/s, must be at least 1KiB/s and at most 256MiB/s",
		"per_service: {bytes: 257MiB/s}":                                      "ingest.per_service.bytes is 257MiB/s, must be",
		"per_service: {bytes: 4MiB}":                                          `"4MiB" is not a size in a time`,
		"series: {per_service: 2000000, per_metric: 2000000, total: 2000000}": "",
		"series: {total: 2000001}":                                            "ingest.series.total is 2000001, must be at most 2000000",
		"series: {per_metric: 200001}":                                        "ingest.series.per_metric is 200001, more than ingest.series.total, which is 200000",
		"series: {total: 100}":                                                "",
	} {
		loaded, err := Parse("gabion.yaml", []byte("ingest: {"+text+"}\n"+minimal), nil, nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
		if err == nil && text == "series: {total: 100}" && loaded.File.Ingest.Series != (Series{PerService: 100, PerMetric: 100, Total: 100}) {
			t.Errorf("the defaults do not give way: %+v", loaded.File.Ingest.Series)
		}
	}
}
