package scrape

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// TargetsMax is how many targets there may be in all: each has a goroutine and a connection.
const TargetsMax = 2000

// Job is a group of targets that are asked in the same way.
type Job struct {
	// Name is the label job of everything that its targets say. Required.
	Name string
	// Targets are addresses (host:port, which become the label instance) or URLs (http://host:port/path).
	Targets []string
	// Interval is the time from one scrape of a target to the next. Default: 15s. At least a millisecond.
	Interval time.Duration
	// Timeout is how long a scrape may take. Default: 10s, or Interval when that is shorter. At most Interval.
	Timeout time.Duration
	// Path is where a target that is no URL is asked. Default: /metrics.
	Path string
}

func (j Job) withDefaults() Job {
	j.Interval = cmp.Or(j.Interval, 15*time.Second)
	j.Timeout = cmp.Or(j.Timeout, min(10*time.Second, j.Interval))
	j.Path = cmp.Or(j.Path, "/metrics")
	return j
}

// Check says what is wrong with jobs, all of it at once; nil when nothing is.
func Check(jobs []Job) error {
	_, err := groups(jobs)
	return err
}

// groups makes of each job what the scrape manager knows as a group of targets.
func groups(jobs []Job) ([]*targetgroup.Group, error) {
	var errs []error
	all := make([]*targetgroup.Group, 0, len(jobs))
	seen := map[string]bool{}
	n := 0
	for i, j := range jobs {
		if seen[j.Name] {
			errs = append(errs, fmt.Errorf("job %q is there twice", j.Name))
		}
		seen[j.Name] = true
		g, err := j.group()
		if err != nil {
			errs = append(errs, fmt.Errorf("job %d (%.60q): %w", i+1, j.Name, err))
			continue
		}
		n += len(g.Targets)
		all = append(all, g)
	}
	if n > TargetsMax {
		errs = append(errs, fmt.Errorf("there are %d targets; %d are allowed", n, TargetsMax))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	return all, nil
}

func (j Job) group() (*targetgroup.Group, error) {
	j = j.withDefaults()
	var errs []error
	if j.Name == "" || !utf8.ValidString(j.Name) {
		errs = append(errs, errors.New("a job needs a name, in UTF-8"))
	}
	if j.Interval < time.Millisecond || j.Timeout < time.Millisecond || j.Timeout > j.Interval {
		errs = append(errs, fmt.Errorf("interval %v, timeout %v: both must be at least 1ms, and the timeout no longer than the interval", j.Interval, j.Timeout))
	}
	g := &targetgroup.Group{Source: j.Name, Labels: model.LabelSet{
		model.JobLabel:            model.LabelValue(j.Name),
		model.ScrapeIntervalLabel: model.LabelValue(model.Duration(j.Interval).String()),
		model.ScrapeTimeoutLabel:  model.LabelValue(model.Duration(j.Timeout).String()),
	}}
	for _, text := range j.Targets {
		target, err := parseTarget(text, j.Path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		g.Targets = append(g.Targets, target)
	}
	return g, errors.Join(errs...)
}

// parseTarget reads an address or a URL.
func parseTarget(text, path string) (model.LabelSet, error) {
	bad := func(why any) error {
		return fmt.Errorf("target %.100q: %v: write host:port, or http://host:port/path", text, why)
	}
	full := text
	if !strings.Contains(text, "://") {
		if strings.ContainsAny(text, "/?#@") {
			return nil, bad("only a URL, which begins with http:// or https://, has a path")
		}
		full = "http://" + text
	}
	u, err := url.Parse(full)
	switch {
	case err != nil:
		// The error repeats the whole text.
		return nil, bad(errors.Unwrap(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, bad("the scheme must be http or https")
	case u.Hostname() == "":
		return nil, bad("there is no host")
	case u.User != nil:
		return nil, bad("no user and no password may stand in a target")
	case u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		return nil, bad("it may have a path, but nothing behind that")
	case !utf8.ValidString(full):
		return nil, bad("it is no UTF-8")
	}
	address := model.LabelValue(u.Host)
	if err := config.CheckTargetAddress(address); err != nil {
		return nil, bad(err)
	}
	return model.LabelSet{
		model.AddressLabel:     address,
		model.SchemeLabel:      model.LabelValue(u.Scheme),
		model.MetricsPathLabel: model.LabelValue(cmp.Or(u.Path, path)),
	}, nil
}
