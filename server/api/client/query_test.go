package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/gabion-io/gabion/server/api/client"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// answering is a client of a gateway that gives one answer, and what it was asked.
func answering(t *testing.T, status int, kind, body string) (c *client.Client, asked *string) {
	t.Helper()
	asked = new(string)
	return connect(t, client.Config{}, func(w http.ResponseWriter, r *http.Request) {
		*asked = r.URL.Path + "?" + r.URL.Query().Encode()
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}), asked
}

func success(data string) string {
	return `{"status":"success","data":` + data + `,"warnings":["w"],"infos":["i"]}`
}

func TestQueryAnswers(t *testing.T) {
	at := func(s float64) time.Time { return time.UnixMilli(int64(s * 1000)).UTC() }
	for data, want := range map[string]client.Answer{
		`{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.5,"2"]},{"metric":{},"histogram":[2,{"count":"3","sum":"+Inf","buckets":[[0,"1","2","3"]]}]}]}`: {
			Kind: client.Vector, Series: []client.Series{
				{Labels: map[string]string{"a": "b"}, Points: []client.Point{{At: at(1.5), Value: 2}}},
				{Labels: map[string]string{}, Points: []client.Point{{At: at(2), Value: 3, Sum: inf, Histogram: true}}},
			},
		},
		`{"resultType":"matrix","result":[{"metric":{},"values":[[1,"-Inf"],[3,"1e3"]],"histograms":[[2,{"count":"1","sum":"2"}]]}]}`: {
			Kind: client.Matrix, Series: []client.Series{{Labels: map[string]string{}, Points: []client.Point{
				{At: at(1), Value: -inf}, {At: at(2), Value: 1, Sum: 2, Histogram: true}, {At: at(3), Value: 1000},
			}}},
		},
		`{"resultType":"scalar","result":[1,"42"]}`: {Kind: client.Scalar, Series: []client.Series{{Points: []client.Point{{At: at(1), Value: 42}}}}},
		`{"resultType":"string","result":[1,"x"]}`:  {Kind: client.String, Text: "x"},
	} {
		c, asked := answering(t, 200, "application/json", success(data))
		have, err := c.Query(t.Context(), `up{a="b"}`, noon)
		want.Remarks, want.Data = []string{"w", "i"}, []byte(data)
		if err != nil || !reflect.DeepEqual(have, want) {
			t.Errorf("%v\n%+v, want\n%+v", err, have, want)
		}
		if *asked != `/prometheus/api/v1/query?query=up%7Ba%3D%22b%22%7D&time=1777896000.000` {
			t.Error(*asked)
		}
	}
	c, asked := answering(t, 200, "application/json", success(`{"resultType":"matrix","result":[]}`))
	_, err := c.QueryRange(t.Context(), "up", noon.Add(-time.Hour), noon, 1500*time.Millisecond)
	if err != nil || *asked != "/prometheus/api/v1/query_range?end=1777896000.000&query=up&start=1777892400.000&step=1.5" {
		t.Error(err, *asked)
	}
}

var inf = func() float64 { big := 1e308; return big * 10 }()

// What is not an answer is an error, and never a wrong answer.
func TestQueryAnswersThatAreNone(t *testing.T) {
	for _, data := range []string{
		`{"resultType":"vector","result":[{"metric":{},"value":[1]}]}`, `{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}`,
		`{"resultType":"vector","result":[{"metric":{},"value":[1,"2",3]}]}`, `{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"x","sum":"1"}]}]}`,
		`{"resultType":"other","result":[]}`, `[]`, `{"resultType":"scalar","result":{}}`, `{"resultType":"streams","result":[{"values":[["x","y"]]}]}`,
		`{"resultType":"streams","result":[{"values":[["1"]]}]}`, `{"resultType":"streams","result":[{"values":[[1,"y"]]}]}`,
	} {
		c, _ := answering(t, 200, "application/json", success(data))
		if a, err := c.Query(t.Context(), "up", noon); err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("%s: %v %+v", data, err, a)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct{ kind, body, want string }{
		{"application/json", `{"status":"error","errorType":"bad_data","error":"1:2: parse error: x"}`, "400 Bad Request: 1:2: parse error: x"},
		{"text/plain; charset=utf-8", "parse error at line 1, col 2: x\n", "400 Bad Request: parse error at line 1, col 2: x"},
		{"application/problem+json", `{"title":"No","detail":"Why."}`, "400 No: Why."},
		{"text/html", "<html>", "400 Bad Request"},
	} {
		c, _ := answering(t, 400, test.kind, test.body)
		_, err := c.Query(t.Context(), "up", noon)
		if refused, is := errors.AsType[*client.Error](err); !is || refused.Error() != test.want {
			t.Errorf("%s: %v", test.body, err)
		}
		_, err = c.Tail(t.Context(), "{}", noon, 1)
		if refused, is := errors.AsType[*client.Error](err); !is || refused.Error() != test.want {
			t.Errorf("tail: %s: %v", test.body, err)
		}
	}
}

func TestLogs(t *testing.T) {
	c, asked := answering(t, 200, "application/json", success(`{"resultType":"streams","result":[`+
		`{"stream":{"service":"a"},"values":[["1777896000000000003","3"],["1777896000000000001","1b"],["1777896000000000001","1a"]]},`+
		`{"stream":{"service":"b"},"values":[["1777896000000000002","2"]]}]}`))
	a, err := c.Logs(t.Context(), `{a="b"}`, noon.Add(-time.Hour), noon, 7)
	if err != nil || *asked != "/loki/api/v1/query_range?end=1777896000000000000&limit=7&query=%7Ba%3D%22b%22%7D&start=1777892400000000000" {
		t.Error(err, *asked)
	}
	var have []string
	for _, l := range a.Lines {
		have = append(have, l.At.Format("05.000000000 ")+l.Labels["service"]+" "+l.Text)
	}
	want := []string{"00.000000001 a 1a", "00.000000001 a 1b", "00.000000002 b 2", "00.000000003 a 3"}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("%q", have)
	}
}

func TestNames(t *testing.T) {
	c, asked := answering(t, 200, "application/json", success(`["a","b"]`))
	if names, err := c.MetricNames(t.Context()); err != nil || len(names) != 2 || *asked != "/prometheus/api/v1/label/__name__/values?" {
		t.Error(names, err, *asked)
	}
	if names, err := c.LogValues(t.Context(), "service"); err != nil || len(names) != 2 || *asked != "/loki/api/v1/label/service/values?" {
		t.Error(names, err, *asked)
	}
}

func TestTail(t *testing.T) {
	c := connect(t, client.Config{Token: "s3cret", Timeout: 5 * time.Second}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" || r.URL.RawQuery != "limit=5&query=%7B%7D&start=1777896000000000000" {
			t.Error(r.URL, r.Header)
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		for _, text := range []string{
			`{"streams":[{"stream":{"level":"info"},"values":[["2","b"],["1","a"]]}]}`,
			`{"streams":[],"dropped_entries":[{"labels":{"dropped":"40"},"timestamp":"1"},{"labels":{"app":"x"},"timestamp":"1"}]}`,
			strings.Repeat(" ", 1<<20) + `{"streams":[]}`,
		} {
			if err := conn.Write(r.Context(), websocket.MessageText, []byte(text)); err != nil {
				t.Error(err)
			}
		}
		_ = conn.Close(websocket.StatusGoingAway, "connect anew")
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tail, err := c.Tail(ctx, "{}", noon, 5)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	if lines, dropped, err := tail.Next(ctx); err != nil || len(lines) != 2 || lines[0].Text != "a" || lines[0].Labels["level"] != "info" || dropped != 0 {
		t.Error(lines, dropped, err)
	}
	if lines, dropped, err := tail.Next(ctx); err != nil || len(lines) != 0 || dropped != 41 {
		t.Error(lines, dropped, err)
	}
	if _, _, err := tail.Next(ctx); err != nil {
		t.Error("a message of a megabyte:", err)
	}
	if _, _, err := tail.Next(ctx); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestTailOfNobody(t *testing.T) {
	c, err := client.New(client.Config{Address: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Tail(t.Context(), "{}", noon, 5); err == nil || !strings.Contains(err.Error(), "is the gateway running") || strings.Contains(err.Error(), "query") {
		t.Error(err)
	}
}
