package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Line is a line of a log.
type Line struct {
	At time.Time
	// Text is the message, or what the query made of it.
	Text string
	// Labels are all that is known of it: service, instance, handler, level, trace_id, attributes, and what the query
	// extracted.
	Labels map[string]string
}

// Logs answers a LogQL query: the newest lines of a time, at most limit of them, or numbers over that time.
func (c *Client) Logs(ctx context.Context, query string, from, to time.Time, limit int) (Answer, error) {
	return c.query(ctx, "/loki/api/v1/query_range", url.Values{
		"query": {query}, "start": {nanoseconds(from)}, "end": {nanoseconds(to)}, "limit": {strconv.Itoa(limit)},
	})
}

// LogValues asks for the values of a label of the logs of the last hours.
func (c *Client) LogValues(ctx context.Context, label string) ([]string, error) {
	return c.values(ctx, "/loki/api/v1/label/"+url.PathEscape(label)+"/values")
}

// Tail is a log that is followed. Make it with [Client.Tail] and end it with [Tail.Close].
type Tail struct{ conn *websocket.Conn }

// Tail follows a LogQL query of lines: the newest lines since from, at most limit of them, and then what comes in. The
// answer of a gateway that refuses is an [Error].
func (c *Client) Tail(ctx context.Context, query string, from time.Time, limit int) (*Tail, error) {
	parameters := url.Values{"query": {query}, "start": {nanoseconds(from)}, "limit": {strconv.Itoa(limit)}}
	address := c.base + "/loki/api/v1/tail?" + parameters.Encode()
	//nolint:bodyclose // the library has closed it, and gives a copy of the first part
	conn, answer, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: c.http, HTTPHeader: c.header()})
	switch {
	case err == nil:
		conn.SetReadLimit(maxAnswer)
		return &Tail{conn}, nil
	case answer != nil && answer.StatusCode != http.StatusSwitchingProtocols:
		text, readErr := io.ReadAll(answer.Body)
		if readErr != nil {
			text = nil
		}
		return nil, fmt.Errorf("ask %s: %w", c.base, refusal(answer, text))
	}
	if u, is := errors.AsType[*url.Error](err); is {
		err = u
	}
	return nil, fmt.Errorf("%w (is the gateway running, and is this its gateway.admin address?)", shorter(err))
}

// Next waits for lines, and gives how many were left out because this client was too slow. [io.EOF] says that the other
// side ended the tail, which it does now and then: whoever wants to go on asks for another one.
func (t *Tail) Next(ctx context.Context) (lines []Line, dropped int64, err error) {
	_, text, err := t.conn.Read(ctx)
	if err != nil {
		if websocket.CloseStatus(err) == websocket.StatusGoingAway {
			return nil, 0, io.EOF
		}
		return nil, 0, fmt.Errorf("the tail broke off: %w", err)
	}
	var m struct {
		Streams json.RawMessage `json:"streams"`
		Dropped []struct {
			Labels map[string]string `json:"labels"`
		} `json:"dropped_entries"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, 0, fmt.Errorf("the tail cannot be read: %w", err)
	}
	for _, d := range m.Dropped {
		// Loki tells one entry for each line, Gabion how many.
		n, err := strconv.ParseInt(d.Labels["dropped"], 10, 64)
		if err != nil {
			n = 1
		}
		dropped += n
	}
	lines, err = linesOf(m.Streams, false)
	return lines, dropped, err
}

// Close ends the tail at once. What has come and was not taken is lost.
func (t *Tail) Close() {
	// It may be broken already, which is as good.
	_ = t.conn.CloseNow()
}

// linesOf reads streams, and puts their lines in the order of time. Backward says that each of them begins with the newest:
// lines of the same time, too, are then turned around.
func linesOf(text []byte, backward bool) ([]Line, error) {
	var streams []struct {
		Stream map[string]string   `json:"stream"`
		Values [][]json.RawMessage `json:"values"`
	}
	if err := json.Unmarshal(text, &streams); err != nil {
		return nil, fmt.Errorf("streams of lines: %w", err)
	}
	var lines []Line
	for _, s := range streams {
		for _, value := range s.Values {
			line, err := lineOf(value)
			if err != nil {
				return nil, err
			}
			maps.Copy(line.Labels, s.Stream)
			lines = append(lines, line)
		}
	}
	if backward {
		slices.Reverse(lines)
	}
	slices.SortStableFunc(lines, func(a, b Line) int { return a.At.Compare(b.At) })
	return lines, nil
}

// lineOf reads ["nanoseconds", "text"].
func lineOf(value []json.RawMessage) (line Line, err error) {
	var stamp string
	if len(value) < 2 {
		return line, errors.New("a line without a time or a text")
	}
	if err := cmp.Or(json.Unmarshal(value[0], &stamp), json.Unmarshal(value[1], &line.Text)); err != nil {
		return line, fmt.Errorf("a line: %w", err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(stamp), 10, 64)
	if err != nil {
		return line, fmt.Errorf("the time of a line: %w", err)
	}
	line.At, line.Labels = time.Unix(0, n).UTC(), map[string]string{}
	return line, nil
}

func nanoseconds(at time.Time) string { return strconv.FormatInt(at.UnixNano(), 10) }
