package promapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// assumed are the labels that parameters of the same name give to series that do not have them.
var assumed = []string{"instance", "job", "service"}

const (
	plain       = "text/plain"
	openMetrics = "application/openmetrics-text"
)

// text takes Prometheus' text format and OpenMetrics.
func (a *API) text(r *http.Request) (any, *failure) {
	kind := format(r.Header.Get("Content-Type"))
	if kind == "" {
		return nil, &failure{http.StatusUnsupportedMediaType, "bad_data", fmt.Sprintf("Content-Type %q: only %s and %s are known",
			r.Header.Get("Content-Type"), plain, openMetrics)}
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, &failure{http.StatusUnsupportedMediaType, "bad_data", fmt.Sprintf("Content-Encoding %q: send it as it is", e)}
	}
	body, f := readBody(http.MaxBytesReader(nil, r.Body, bodyMax))
	if f != nil {
		return nil, f
	}
	var d delivery
	t := texts{kind: kind, now: a.config.Now().UnixMilli(), delivery: &d}
	params := r.URL.Query()
	for _, name := range assumed {
		if v := params.Get(name); v != "" {
			t.assumed = append(t.assumed, labels.Label{Name: name, Value: v})
		}
	}
	if err := t.read(body); err != nil {
		return nil, unreadable(err)
	}
	if _, f := a.storeAll(r, &d); f != nil {
		return nil, f
	}
	return map[string]int{"samples": len(d.samples)}, nil
}

// Read reads Prometheus' text format. Samples that state no time are those of now, and series without a label that assumed
// has get it. The error says in which line what is wrong; then nothing is returned.
func Read(text []byte, now time.Time, assumed labels.Labels) ([]tier.Sample, map[string]tier.Metadata, error) {
	var d delivery
	t := texts{kind: plain, now: now.UnixMilli(), delivery: &d}
	assumed.Range(func(l labels.Label) { t.assumed = append(t.assumed, l) })
	if err := t.read(text); err != nil {
		return nil, nil, err
	}
	return d.samples, d.metadata, nil
}

// format is the type of the body; "" when it is not known. What curl sends by itself is taken for text.
func format(content string) string {
	if content == "" {
		return plain
	}
	kind, params, err := mime.ParseMediaType(content)
	switch {
	case err != nil:
		return ""
	case kind == plain, kind == "application/x-www-form-urlencoded", kind == "application/octet-stream":
		return plain
	case kind == openMetrics && params["version"] != "2.0.0":
		return openMetrics
	}
	return ""
}

// texts reads a text.
type texts struct {
	kind     string
	now      int64 // of samples without a time
	assumed  []labels.Label
	delivery *delivery
	about    tier.Metadata // of the family that is being read
	family   string
}

func (t *texts) parser(body []byte) (textparse.Parser, error) {
	return textparse.New(body, t.kind, labels.NewSymbolTable(), textparse.ParserOptions{FallbackContentType: plain})
}

func (t *texts) read(body []byte) error {
	if before, _, zero := bytes.Cut(body, []byte{0}); zero { // to the parser it is the end, whatever follows
		return fmt.Errorf("line %d: there is a zero byte", 1+bytes.Count(before, []byte("\n")))
	}
	p, err := t.parser(body)
	if err != nil {
		return err
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return t.locate(body, err)
		}
		switch entry {
		case textparse.EntryType:
			name, kind := p.Type()
			t.of(string(name)).Type = string(kind)
			t.delivery.describe(t.family, t.about)
		case textparse.EntryHelp:
			name, help := p.Help()
			t.of(string(name)).Help = strings.ToValidUTF8(string(help), "\uFFFD")
			t.delivery.describe(t.family, t.about)
		case textparse.EntryUnit:
			name, unit := p.Unit()
			t.of(string(name)).Unit = string(unit)
			t.delivery.describe(t.family, t.about)
		case textparse.EntrySeries:
			if err := t.series(p); err != nil {
				return err
			}
		}
	}
}

// of is what is known of a family so far.
func (t *texts) of(family string) *tier.Metadata {
	if family != t.family {
		t.family, t.about = family, tier.Metadata{}
	}
	return &t.about
}

func (t *texts) series(p textparse.Parser) error {
	_, at, v := p.Series()
	s := tier.Sample{At: t.now, Value: v}
	if at != nil {
		s.At = *at
	}
	p.Labels(&s.Labels)
	if len(t.assumed) > 0 {
		b := labels.NewBuilder(s.Labels)
		for _, l := range t.assumed {
			if !s.Labels.Has(l.Name) {
				b.Set(l.Name, l.Value)
			}
		}
		s.Labels = b.Labels()
	}
	return t.delivery.add(s)
}

// locate finds the line that cannot be read: the parser does not tell, but in the plain format every line stands alone.
func (t *texts) locate(body []byte, err error) error {
	if t.kind != plain {
		return fmt.Errorf("the text cannot be read: %w", err)
	}
	number := 0
	for line := range bytes.Lines(body) {
		number++
		p, broken := t.parser(line)
		for broken == nil {
			_, broken = p.Next()
		}
		if !errors.Is(broken, io.EOF) {
			return fmt.Errorf("line %d: %w", number, broken)
		}
	}
	return fmt.Errorf("line %d: %w", number, err)
}
