package prometheus

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/gabion-io/gabion"
)

// PushConfig is what a [Pusher] is made of. The zero value of every field but URL means its default.
type PushConfig struct {
	// URL is where to: the admin listener of a gabion, such as http://127.0.0.1:8081. Required.
	URL string
	// Token is the one of its admin API, when it has one. Default: none.
	Token string
	// Gatherer has the metrics. Default: prometheus.DefaultGatherer.
	Gatherer prometheus.Gatherer
	// Labels are put on every series that does not have them, such as service and instance, by which the series of several
	// programs are told apart. Default: none.
	Labels map[string]string
	// Every is how often. Default: 10s.
	Every time.Duration
	// Timeout is how long a push may take. Default: half of Every.
	Timeout time.Duration
	// Client sends. Default: one of its own, which follows no redirects.
	Client *http.Client
	// Log is told when pushes begin to fail, and when they work again. Default: nobody.
	Log *slog.Logger
}

// Pusher sends metrics to a gabion, for programs that nobody scrapes. Make it with [NewPusher].
type Pusher struct {
	config PushConfig
	url    string
	failed bool // the last push
}

// NewPusher makes a pusher. Its error names the field that is impossible.
func NewPusher(cfg PushConfig) (*Pusher, error) {
	base, err := url.Parse(cfg.URL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, &gabion.FieldError{Field: "url", Problem: fmt.Sprintf("is %q, must be like http://127.0.0.1:8081", cfg.URL)}
	}
	for _, d := range []struct {
		field string
		is    time.Duration
	}{{"every", cfg.Every}, {"timeout", cfg.Timeout}} {
		if d.is < 0 {
			return nil, &gabion.FieldError{Field: d.field, Problem: fmt.Sprintf("is %v, must be positive (0 means the default)", d.is)}
		}
	}
	cfg.Every = cmp.Or(cfg.Every, 10*time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, cfg.Every/2)
	if cfg.Gatherer == nil {
		cfg.Gatherer = prometheus.DefaultGatherer
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Pusher{config: cfg, url: base.JoinPath("/api/v1/metrics").String()}, nil
}

// Run pushes at once, then every [PushConfig.Every], and a last time when ctx ends. What could not be sent is not kept: the
// next push has newer values of the same series.
func (p *Pusher) Run(ctx context.Context) {
	ticker := time.NewTicker(p.config.Every)
	defer ticker.Stop()
	for {
		p.tell(p.Push(context.WithoutCancel(ctx)))
		select {
		case <-ticker.C:
		case <-ctx.Done():
			p.tell(p.Push(context.WithoutCancel(ctx)))
			return
		}
	}
}

func (p *Pusher) tell(err error) {
	switch {
	case err != nil && !p.failed:
		p.config.Log.Warn("metrics cannot be pushed", "error", err)
	case err == nil && p.failed:
		p.config.Log.Info("metrics are pushed again")
	}
	p.failed = err != nil
}

// Push sends the metrics once. When some of them cannot be gathered, the others are sent, and the error says so.
func (p *Pusher) Push(ctx context.Context) error {
	families, gathered := p.config.Gatherer.Gather()
	var body bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	encoder := expfmt.NewEncoder(&body, format)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			m.Label = p.labelled(m.GetLabel())
		}
		if err := encoder.Encode(family); err != nil {
			gathered = errors.Join(gathered, err)
		}
	}
	if body.Len() == 0 {
		return gathered
	}
	return errors.Join(gathered, p.send(ctx, &body, string(format)))
}

// labelled are the labels of a series and those of the configuration that it does not have, sorted.
func (p *Pusher) labelled(labels []*dto.LabelPair) []*dto.LabelPair {
	if len(p.config.Labels) == 0 {
		return labels
	}
	labels = slices.Clone(labels) // the series may be the gatherer's own
	for name, value := range p.config.Labels {
		if !slices.ContainsFunc(labels, func(l *dto.LabelPair) bool { return l.GetName() == name }) {
			labels = append(labels, &dto.LabelPair{Name: &name, Value: &value})
		}
	}
	slices.SortFunc(labels, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	return labels
}

func (p *Pusher) send(ctx context.Context, body io.Reader, format string) error {
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", format)
	if p.config.Token != "" {
		request.Header.Set("Authorization", "Bearer "+p.config.Token)
	}
	response, err := p.config.Client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("prometheus: %s answered %s: %s", p.url, response.Status, bytes.TrimSpace(said))
	}
	return nil
}
