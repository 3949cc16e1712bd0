package client

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// Query evaluates a PromQL expression at a moment.
func (c *Client) Query(ctx context.Context, expr string, at time.Time) (Answer, error) {
	return c.query(ctx, "/prometheus/api/v1/query", url.Values{"query": {expr}, "time": {seconds(at)}})
}

// QueryRange evaluates a PromQL expression at every step from one moment to another.
func (c *Client) QueryRange(ctx context.Context, expr string, from, to time.Time, step time.Duration) (Answer, error) {
	return c.query(ctx, "/prometheus/api/v1/query_range", url.Values{
		"query": {expr}, "start": {seconds(from)}, "end": {seconds(to)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	})
}

// MetricNames asks for the names of metrics.
func (c *Client) MetricNames(ctx context.Context) ([]string, error) {
	return c.values(ctx, "/prometheus/api/v1/label/__name__/values")
}

func (c *Client) query(ctx context.Context, path string, parameters url.Values) (Answer, error) {
	var e envelope
	if err := c.get(ctx, path+"?"+parameters.Encode(), &e); err != nil {
		return Answer{}, err
	}
	a, err := e.answer()
	if err != nil {
		return a, fmt.Errorf("ask %s: %w", c.base, err)
	}
	return a, nil
}

// values asks for a list of names.
func (c *Client) values(ctx context.Context, path string) ([]string, error) {
	var list struct {
		Data []string `json:"data"`
	}
	return list.Data, c.get(ctx, path, &list)
}

// seconds writes a time as seconds since 1970, to the millisecond.
func seconds(at time.Time) string {
	return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)
}
