package config

import (
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/logs/where"
	"github.com/gabion-io/gabion/server/store"
)

const (
	minRaw    = 3 * time.Hour // the roll-ups of an hour are made of it, when nothing can come any more
	minKeep   = time.Hour
	minSize   = Size(64 << 20) // the databases' own files are that large
	minScrape = time.Second
)

// The bounds of what is taken: those of package ingest, and what the memory of the store is good for.
const (
	maxLines  = 1_000_000       // a second
	minBytes  = Size(1 << 10)   // a second
	maxBytes  = Size(256 << 20) // a second
	maxSeries = 2_000_000
)

// memory checks what is kept, and where it comes from. taken are the addresses of the gateway.
func (c *checker) memory(taken []address) {
	f := c.file
	c.data(f.Data)
	c.keep("metrics.raw", f.Metrics.Raw.Keep, f.Metrics.Raw.MaxSize, minRaw)
	c.keep("metrics.long", f.Metrics.Long.Keep, f.Metrics.Long.MaxSize, minKeep)
	c.keep("logs.short", f.Logs.Short.Keep, f.Logs.Short.MaxSize, minKeep)
	c.keep("logs.long", f.Logs.Long.Keep, f.Logs.Long.MaxSize, minKeep)
	c.where("logs.long.where", f.Logs.Long.Where)
	var jobs []string
	for i, s := range f.Metrics.Scrape {
		c.scrape(item("metrics.scrape", i), s, jobs)
		jobs = append(jobs, s.Job)
	}
	c.ingest(f.Ingest, taken)
	c.forward()
	if f.Data == DataOff {
		c.nothingKept()
	}
}

// data checks where everything is kept. A path that is relative begins where Gabion is started.
func (c *checker) data(dir string) {
	if dir == "" {
		c.fail("data", "data is empty; it takes the path of a directory, or off")
		return
	}
	if path, err := filepath.Abs(dir); err == nil && dir != DataOff && len(path) > store.MaxDir() {
		c.fail("data", "data is a path of %d bytes, must have at most %d: there is a socket in it, and the system bounds the paths of those", len(path), store.MaxDir())
	}
}

// nothingKept refuses what works only where something is kept.
func (c *checker) nothingKept() {
	f := c.file
	for path, used := range map[string]bool{
		"metrics.scrape": len(f.Metrics.Scrape) > 0, "metrics.forward": len(f.Metrics.Forward) > 0, "logs.forward": len(f.Logs.Forward) > 0,
		"traces.forward": len(f.Traces.Forward) > 0, "ingest": f.Ingest.open(),
	} {
		if used {
			c.failKey(path, "%s has no effect: data is off, so nothing is kept", path)
		}
	}
}

// open says whether there is any way in. The bounds of what comes in have defaults, as what is kept has.
func (in Ingest) open() bool {
	return in.OTLPGRPC != "" || in.Syslog != (Syslog{}) || len(in.Files) > 0
}

// keep checks how long and how much a tier keeps.
func (c *checker) keep(path string, keep time.Duration, size Size, least time.Duration) {
	if at := join(path, "keep"); keep < least && c.readable(at) {
		c.fail(at, "%s is %s, must be at least %s", at, durationText(keep), durationText(least))
	}
	if at := join(path, "max_size"); size < minSize && c.readable(at) {
		c.fail(at, "%s is %v, must be at least %v", at, size, minSize)
	}
}

// where checks a condition on lines, and points at what is wrong in it.
func (c *checker) where(path, text string) {
	_, err := where.Parse(text)
	syntax, ok := errors.AsType[*where.SyntaxError](err)
	if !ok || c.bad[path] {
		return
	}
	p := c.add(c.nearest(path).within(text, syntax.Offset, syntax.Length), path, "%s: %s", path, syntax.Problem).
		allow(syntax.Allowed...)
	if syntax.Got != "" {
		p.suggest(syntax.Got, syntax.Allowed)
	}
}

// within is the place of a part of a value's text, if the text stands there as it is.
func (n *node) within(text string, offset, length int) place {
	at := n.where()
	line := at.src.line(at.line)
	from := at.col - 1
	if from < len(line) && (line[from] == '"' || line[from] == '\'') {
		from++
	}
	if n.kind != scalarNode || from > len(line) || !strings.HasPrefix(string(line[from:]), text) {
		return at
	}
	at.col, at.length = from+1+len([]rune(text[:offset])), max(1, len([]rune(text[offset:offset+length])))
	return at
}

func (c *checker) scrape(path string, s Scrape, others []string) {
	switch at := join(path, "job"); {
	case s.Job == "":
		c.fail(at, "%s is missing", at)
	case slices.Contains(others, s.Job):
		c.fail(at, "%s: there is another job %q; put the targets of both into one", at, clip(s.Job))
	}
	targets := join(path, "targets")
	if len(s.Targets) == 0 && c.readable(targets) {
		c.fail(targets, "%s has no targets", path)
	}
	c.twice(targets, s.Targets)
	for i, target := range s.Targets {
		c.target(item(targets, i), target)
	}
	if at := join(path, "interval"); s.Interval < minScrape && c.readable(at) {
		c.fail(at, "%s is %s, must be at least %s", at, durationText(s.Interval), durationText(minScrape))
	}
}

// target checks what metrics are fetched from: an address or a URL.
func (c *checker) target(path, text string) {
	if strings.Contains(text, "://") {
		c.webURL(path, text)
		return
	}
	host, port, err := net.SplitHostPort(text)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || host == "" {
		c.fail(path, "%s takes host:port or a URL, not %q", path, clip(text))
	}
}

// webURL checks a URL that Gabion is to ask.
func (c *checker) webURL(path, text string) {
	u, err := url.Parse(text)
	switch {
	case err == nil && u.User != nil:
		c.hideUser(path)
		c.fail(path, "%s holds a user or password; secrets do not belong in a URL", path)
	case err != nil, u.Scheme != "http" && u.Scheme != "https", !validHost(u):
		c.fail(path, "%s takes a URL such as http://127.0.0.1:9100/path, not %q", path, clip(text))
	}
}

// ingest checks the ways in. TCP and UDP have ports of their own.
func (c *checker) ingest(in Ingest, taken []address) {
	for _, l := range []struct{ path, text string }{{"ingest.otlp_grpc", in.OTLPGRPC}, {"ingest.syslog.tcp", in.Syslog.TCP}} {
		if !c.wrote(l.path) {
			continue
		}
		if a, ok := c.address(l.path, l.text); ok {
			c.free(l.path, a, taken)
			taken = append(taken, a)
		}
	}
	if c.wrote("ingest.syslog.udp") {
		c.address("ingest.syslog.udp", in.Syslog.UDP)
	}
	c.perService("ingest.per_service", in.PerService)
	c.series("ingest.series", in.Series)
	c.twice("ingest.files", in.Files)
	for i, pattern := range in.Files {
		at := item("ingest.files", i)
		if _, err := filepath.Match(pattern, ""); err != nil || pattern == "" {
			c.fail(at, "%s takes a path in which * stands for any part of a name, not %q", at, clip(pattern))
		}
	}
}

func (c *checker) perService(path string, p PerService) {
	if perSecond := float64(p.Lines.Count) / p.Lines.Per.Seconds(); perSecond < 1 || perSecond > maxLines {
		c.fail(join(path, "lines"), "%s.lines is %v, must be at least 1/s and at most %d/s", path, p.Lines, maxLines)
	}
	if perSecond := p.Bytes.PerSecond(); perSecond < float64(minBytes) || perSecond > float64(maxBytes) {
		c.fail(join(path, "bytes"), "%s.bytes is %v, must be at least %v/s and at most %v/s", path, p.Bytes, minBytes, maxBytes)
	}
}

func (c *checker) series(path string, s Series) {
	if s.Total > maxSeries {
		c.fail(join(path, "total"), "%s.total is %d, must be at most %d", path, s.Total, maxSeries)
	}
	for _, one := range []struct {
		key string
		n   int
	}{{"per_service", s.PerService}, {"per_metric", s.PerMetric}} {
		if one.n > s.Total && c.readable(join(path, "total")) {
			c.fail(join(path, one.key), "%s.%s is %d, more than %s.total, which is %d", path, one.key, one.n, path, s.Total)
		}
	}
}

// alerts checks who is told.
func (c *checker) alerts() {
	a := c.file.Alerts
	for _, name := range sorted(a.Receivers) {
		path := join("alerts.receivers", name)
		c.name(path, name)
		hook := a.Receivers[name].Webhook
		switch {
		case hook != nil:
			c.link(join(join(path, "webhook"), "url"), hook.URL)
		case c.readable(path) && c.readable(join(path, "webhook")):
			c.failKey(path, "%s does not say how it is told; it needs a webhook", path)
		}
	}
	if to := a.Route.Receiver; to != "" {
		c.reference("alerts.route.receiver", "receiver", to, sorted(a.Receivers))
	}
}
