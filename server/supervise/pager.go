package supervise

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/backoff"
)

// PagerConfig is what a [Pager] needs. The zero value of every field but URL means its default.
type PagerConfig struct {
	// URL gives the address of the webhook. It is asked before each try, and what it gives is never shown: it may be a
	// secret.
	URL func() (string, error)
	// After is how long the child must be down. Starts that do not last are no interruption. Default: 2m.
	After time.Duration
	// Well is how long the child must be up again to be back. Default: 30s.
	Well time.Duration
	// Timeout is how long a try may take. Default: 10s.
	Timeout time.Duration
	// Backoff is the longest wait after the first try that failed; it doubles with each further one. Default: 1s.
	// BackoffMax bounds it. Default: 1m. It is tried until it works, or until there is nothing to say any more.
	Backoff, BackoffMax time.Duration
	// Client sends. Default: one of its own, which follows no redirects.
	Client *http.Client
	// Host says where this is. Default: the name of the host.
	Host string
	// Log is told what failed. Default: nobody.
	Log *slog.Logger
}

// Page is what the webhook gets.
type Page struct {
	// Text says it in a sentence, for chats that show this member.
	Text string `json:"text"`
	// Status is firing or resolved.
	Status string `json:"status"`
	// Alert is StoreDown.
	Alert string `json:"alert"`
	Host  string `json:"host"`
	// Since is when it went down, in UTC.
	Since time.Time `json:"since"`
	// Reason is why.
	Reason string `json:"reason,omitempty"`
}

// lookEvery is how often the pager looks at the child.
const lookEvery = time.Second

// Page tells a webhook when the child stays down, and when it is back, until ctx ends. It needs nothing that the child
// has.
func (c *Child) Page(ctx context.Context, cfg PagerConfig) {
	newPager(cfg, c.Status).run(ctx)
}

// pager compares what is true with what the webhook was told last, and tells it when the two differ.
type pager struct {
	config PagerConfig
	status func() Status
	outage outage
	told   bool // that the child is down
	tries  int
	again  gabion.Instant // not before
}

func newPager(cfg PagerConfig, status func() Status) *pager {
	for value, fallback := range map[*time.Duration]time.Duration{
		&cfg.After: 2 * time.Minute, &cfg.Well: 30 * time.Second, &cfg.Timeout: 10 * time.Second, &cfg.Backoff: time.Second, &cfg.BackoffMax: time.Minute,
	} {
		*value = cmp.Or(max(*value, 0), fallback)
	}
	cfg.Client = cmp.Or(cfg.Client, &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	if name, err := os.Hostname(); cfg.Host == "" && err == nil {
		cfg.Host = name
	}
	return &pager{config: cfg, status: status, outage: outage{after: cfg.After, well: cfg.Well}}
}

func (p *pager) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.look(ctx, gabion.Now())
		case <-ctx.Done():
			return
		}
	}
}

// look tells the webhook if there is something to tell.
func (p *pager) look(ctx context.Context, now gabion.Instant) {
	s := p.status()
	if s.State == Stopped {
		return
	}
	down := p.outage.see(s.State == Up, now)
	if down == p.told {
		p.tries, p.again = 0, 0
		return
	}
	if now < p.again {
		return
	}
	if err := p.post(ctx, p.page(down, s, now)); err != nil {
		p.tries++
		p.again = gabion.Now() + backoff.Full(backoff.Bound(p.tries, p.config.Backoff, p.config.BackoffMax), mathrand.Float64())
		p.config.Log.Warn("paging failed, it is tried again", "tries", p.tries, "error", err)
		return
	}
	p.told = down
}

func (p *pager) page(down bool, s Status, now gabion.Instant) Page {
	page := Page{
		Status: "resolved", Alert: "StoreDown", Host: p.config.Host, Since: time.Now().Add(p.outage.began - now).UTC(), Reason: s.Reason,
		Text: fmt.Sprintf("Gabion on %s: the store process is back. Metrics, logs and alerts work again.", p.config.Host),
	}
	if down {
		page.Status = "firing"
		page.Text = fmt.Sprintf("Gabion on %s: the store process has been down for %v. Requests are served, but metrics, logs and alerts are not. Last reason: %s",
			p.config.Host, (now - p.outage.began).Round(time.Second), cmp.Or(s.Reason, "it is not ready yet"))
	}
	return page
}

// post sends a page. Its errors do not hold the address.
func (p *pager) post(ctx context.Context, page Page) error {
	address, err := p.config.URL()
	if err != nil {
		return fmt.Errorf("reading the address of the webhook: %w", err)
	}
	text, err := json.Marshal(page)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(text))
	if err != nil {
		return errors.New("the address of the webhook is not a URL")
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := p.config.Client.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("calling the webhook: %w", failed.Err)
	}
	if err != nil {
		return fmt.Errorf("calling the webhook: %w", err)
	}
	defer answer.Body.Close()
	// The rest of the answer says nothing; reading some of it keeps the connection.
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the webhook answers with %s", answer.Status)
	}
	return nil
}

// outage decides whether the child counts as down for long. It has no clock.
type outage struct {
	after, well time.Duration
	began       gabion.Instant // of the last one
	open        bool           // it goes on
	long        bool           // for the time of after
	upSince     gabion.Instant // 0: it is not up
}

// see takes whether the child is up. An outage ends when it was up for the time of well: until then, the starts in
// between do not count.
func (o *outage) see(up bool, now gabion.Instant) bool {
	if !up {
		if !o.open {
			o.open, o.began = true, now
		}
		o.upSince = 0
		o.long = o.long || now-o.began >= o.after
		return o.long
	}
	if o.upSince == 0 {
		o.upSince = now
	}
	if now-o.upSince >= o.well {
		o.open, o.long = false, false
	}
	return o.long
}
