package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// metricAPI stands in for the API of Prometheus: it gives the answer for each expression, and remembers what it was asked.
type metricAPI struct {
	mu      sync.Mutex
	asked   url.Values
	answers map[string]string
}

func (m *metricAPI) last() url.Values {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

func (m *metricAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = r.URL.Query()
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/values") {
		_, _ = w.Write([]byte(`{"status":"success","data":["up","uptime","requests"]}`))
		return
	}
	answer, known := m.answers[m.asked.Get("query")]
	if !known {
		w.WriteHeader(http.StatusBadRequest)
		answer = `{"status":"error","errorType":"bad_data","error":"parameter \"query\": 1:10: parse error: unexpected \"}\""}`
	}
	_, _ = w.Write([]byte(answer))
}

func newMetricAPI(t *testing.T) (m *metricAPI, address string) {
	t.Helper()
	m = &metricAPI{answers: map[string]string{
		"up": `{"status":"success","data":{"resultType":"vector","result":[` +
			`{"metric":{"__name__":"up","job":"a"},"value":[1,"1"]},{"metric":{"__name__":"up","job":"b"},"value":[1,"0"]}]},"warnings":["look here"]}`,
		"rate": `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"a"},"values":[[1777896000,"1"],[1777896060,"2"]]}]}}`,
		"none": `{"status":"success","data":{"resultType":"vector","result":[]}}`,
		"1+1":  `{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`,
	}}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	return m, server.URL
}

func TestQueryCommand(t *testing.T) {
	api, address := newMetricAPI(t)
	code, out, errOut := runCommand(t, nil, "query", "up", "--admin", address)
	if want := "up\n  JOB  VALUE\n  a        1\n  b        0\n"; code != exitOK || out != want || errOut != "gabion: look here\n" {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
	if at, err := strconv.ParseFloat(api.last().Get("time"), 64); err != nil || time.Since(time.UnixMilli(int64(at*1000))).Abs() > time.Minute {
		t.Errorf("asked for %v", api.last())
	}
	if code, out, errOut = runCommand(t, nil, "query", "1+1", "--admin", address, "--at", "2026-05-04T12:00:00Z"); code != exitOK || out != "2\n" {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
	if at := api.last().Get("time"); at != "1777896000.000" {
		t.Error(at)
	}
	if code, out, errOut = runCommand(t, nil, "query", "none", "--admin", address); code != exitOK || out != "" || errOut != "gabion: no series\n" {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
	var data struct{ ResultType string }
	code, out, _ = runCommand(t, nil, "query", "up", "--admin", address, "--json")
	if err := json.Unmarshal([]byte(out), &data); code != exitOK || err != nil || data.ResultType != "vector" {
		t.Errorf("%d %v\n%s", code, err, out)
	}
}

func TestQueryCommandOverATime(t *testing.T) {
	api, address := newMetricAPI(t)
	code, out, errOut := runCommand(t, nil, "query", "rate", "--admin", address, "--from", "2026-05-04T11:00:00Z", "--to", "2026-05-04T12:00:00Z")
	if code != exitOK || !strings.Contains(out, "▁█") || errOut != "" {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
	if asked := api.last(); asked.Get("start") != "1777892400.000" || asked.Get("end") != "1777896000.000" || asked.Get("step") != "36" {
		t.Error(asked)
	}
	code, out, _ = runCommand(t, nil, "query", "rate", "--admin", address, "--from", "1m", "--step", "500ms", "--points")
	if code != exitOK || strings.Count(out, "\n") != 4 || api.last().Get("step") != "0.5" {
		t.Errorf("%d %v\n%s", code, api.last(), out)
	}
	if runCommand(t, nil, "query", "rate", "--admin", address, "--from", "10s"); api.last().Get("step") != "1" {
		t.Error(api.last())
	}
}

func TestQueryCommandMistakes(t *testing.T) {
	_, address := newMetricAPI(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"sum(rate(}"}, "1:10: parse error: unexpected \"}\"\n  sum(rate(}\n           ^\n"},
		{[]string{}, "give one expression"},
		{[]string{" "}, "give one expression"},
		{[]string{"up", "down"}, "give one expression"},
		{[]string{"up", "--at", "noon"}, "14:30"},
		{[]string{"up", "--at", "1h", "--from", "2h"}, "--at is one moment"},
		{[]string{"up", "--step", "5m"}, "give --from as well"},
		{[]string{"up", "--from", "1h", "--to", "2h"}, "--from must be before --to"},
		{[]string{"up", "--from", "1h", "--step", "0"}, "30s, 5m or 1d"},
	} {
		code, out, errOut := runCommand(t, nil, append([]string{"query", "--admin", address}, test.args...)...)
		if code != exitUsage || out != "" || !strings.Contains(errOut, test.want) {
			t.Errorf("%v: %d %s%s", test.args, code, out, errOut)
		}
	}
	if code, _, errOut := runCommand(t, nil, "query", "up", "--admin", "127.0.0.1:1"); code != exitError || !strings.Contains(errOut, "is the gateway running") {
		t.Errorf("nobody: %d %s", code, errOut)
	}
}

func TestQueryCompletion(t *testing.T) {
	_, address := newMetricAPI(t)
	code, out, _ := runCommand(t, []string{"GABION_GATEWAY_ADMIN=" + address}, "__complete", "query", "up")
	if code != exitOK || out != "up\nuptime\n:4\n" {
		t.Errorf("%d %q", code, out)
	}
	if code, out, _ = runCommand(t, nil, "__complete", "query", "--admin", "127.0.0.1:1", "up"); code != exitOK || out != ":4\n" {
		t.Errorf("without a gateway: %d %q", code, out)
	}
}
