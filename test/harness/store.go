package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/process"
)

// Store is what the gateway says of the process that keeps metrics and logs.
type Store struct {
	State    string `json:"state"`
	Reason   string `json:"reason"`
	PID      int    `json:"pid"`
	Restarts uint64 `json:"restarts"`
	Disk     string `json:"disk"`
	Feeds    []Feed `json:"feeds"`
}

// Feed is what waits in the gateway for the store, and what became of it.
type Feed struct {
	Name     string `json:"name"`
	Buffered int    `json:"buffered"`
	Bytes    int    `json:"bytes"`
	Sent     uint64 `json:"sent"`
	Dropped  uint64 `json:"dropped"`
	Refused  uint64 `json:"refused"`
}

// Store asks how the store is.
func (g *Gateway) Store(t testing.TB) Store {
	t.Helper()
	var s struct{ Store Store }
	if err := json.Unmarshal([]byte(g.Get(t, "/api/v1/status")), &s); err != nil {
		t.Fatal(err)
	}
	return s.Store
}

// StoreUp waits until the store is up and gives how it is.
func (g *Gateway) StoreUp(t testing.TB, within time.Duration) (s Store) {
	t.Helper()
	process.Until(t, within, "the store is up", func() bool {
		s = g.Store(t)
		return s.State == "up"
	})
	return s
}

// SignalStore sends the store a signal. It may be gone in this moment: then nothing happens.
func (g *Gateway) SignalStore(t testing.TB, signal syscall.Signal) (pid int) {
	t.Helper()
	pid = g.Store(t).PID
	if pid == 0 {
		return 0
	}
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Errorf("signal the store with %v: %v", signal, err)
	}
	return pid
}

// Send sends a body to the admin listener. The status is 0 when there was no answer.
func (g *Gateway) Send(path, contentType, body string) (status int, answer string) {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+g.Admin+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := producers.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// producers keep their connections, as those do that send much.
var producers = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Second}, Timeout: askWithin}

// Sample is a value at a time.
type Sample struct {
	At    time.Time
	Value float64
}

// Samples evaluates a PromQL expression now, and gives all values of all series that it finds. The error is that of a
// store that does not answer it.
func (g *Gateway) Samples(expr string) ([]Sample, error) {
	return g.evaluate("/prometheus/api/v1/query?query=", expr)
}

// CountLines is the sum of what a LogQL query that counts finds now.
func (g *Gateway) CountLines(query string) (sum float64, err error) {
	all, err := g.evaluate("/loki/api/v1/query?query=", query)
	for _, s := range all {
		sum += s.Value
	}
	return sum, err
}

func (g *Gateway) evaluate(path, expr string) ([]Sample, error) {
	status, body, err := g.ask(path + url.QueryEscape(expr))
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", expr, status, body)
	}
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Value  []any
				Values [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, err
	}
	var all []Sample
	for _, series := range answer.Data.Result {
		if series.Value != nil {
			series.Values = append(series.Values, series.Value)
		}
		for _, pair := range series.Values {
			at, number := pair[0].(float64)
			text, _ := pair[1].(string)
			v, err := strconv.ParseFloat(text, 64)
			if !number || err != nil {
				return nil, fmt.Errorf("%s: the value %v", expr, pair)
			}
			all = append(all, Sample{time.UnixMilli(int64(at * 1000)), v})
		}
	}
	return all, nil
}

// Value is the sum of the values of all series that an expression finds now, 0 when there are none.
func (g *Gateway) Value(t testing.TB, expr string) (sum float64) {
	t.Helper()
	all, err := g.Samples(expr)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		sum += s.Value
	}
	return sum
}

// Lines gives the texts of the lines that a LogQL query finds from one time to another, the oldest first, however many
// there are, if not very many of them have the same time.
func (g *Gateway) Lines(query string, from, to time.Time) (texts []string, err error) {
	found, err := g.Search(query, from, to)
	return found.Texts, err
}

// Found is what a query of lines found.
type Found struct {
	Texts []string
	// Warnings say what is left out.
	Warnings []string
}

// Search is [Gateway.Lines], with warnings.
func (g *Gateway) Search(query string, from, to time.Time) (found Found, err error) {
	const page = 5000
	for {
		parameters := url.Values{
			"query": {query}, "start": {strconv.FormatInt(from.UnixNano(), 10)}, "end": {strconv.FormatInt(to.UnixNano(), 10)},
			"limit": {strconv.Itoa(page)}, "direction": {"forward"},
		}
		lines, warnings, err := g.page(parameters)
		if err != nil {
			return Found{}, err
		}
		found.Warnings = append(found.Warnings, warnings...)
		slices.SortStableFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
		for _, l := range lines {
			found.Texts = append(found.Texts, l.text)
			from = l.at
		}
		if len(lines) < page {
			return found, nil
		}
		from = from.Add(1)
	}
}

type line struct {
	at   time.Time
	text string
}

func (g *Gateway) page(parameters url.Values) (lines []line, warnings []string, err error) {
	status, body, err := g.ask("/loki/api/v1/query_range?" + parameters.Encode())
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", parameters.Get("query"), status, body)
	}
	if err != nil {
		return nil, nil, err
	}
	var answer struct {
		Warnings []string
		Data     struct {
			Result []struct{ Values [][2]string }
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, nil, err
	}
	for _, stream := range answer.Data.Result {
		for _, value := range stream.Values {
			n, err := strconv.ParseInt(value[0], 10, 64)
			if err != nil {
				return nil, nil, err
			}
			lines = append(lines, line{time.Unix(0, n), value[1]})
		}
	}
	return lines, answer.Warnings, nil
}
