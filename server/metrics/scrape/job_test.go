package scrape

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
)

func TestTargets(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:9100":              "http://127.0.0.1:9100/metrics",
		"[::1]:9100":                  "http://[::1]:9100/metrics",
		"shop.example":                "http://shop.example/metrics",
		"https://shop.example":        "https://shop.example/metrics",
		"http://shop.example:1/a/b":   "http://shop.example:1/a/b",
		"http://shop.example:1/":      "http://shop.example:1/",
		"":                            "no host",
		":9100":                       "no host",
		"shop.example/metrics":        "only a URL",
		"a b":                         "invalid character",
		"ftp://shop.example":          "must be http",
		"http://u:p@shop.example":     "no password",
		"u:p@shop.example":            "only a URL",
		"http://shop.example/x?y=z":   "nothing behind",
		"http://shop.example/x#y":     "nothing behind",
		"http://shop.example:port/":   "invalid port",
		"http://shop.example/\xff":    "UTF-8",
		"shop.example:1:2":            "host:port",
		"http://shop.example:9/%zz":   "escape",
		"http://[fe80::1%25en0]:80/x": "",
	} {
		l, err := parseTarget(text, "/metrics")
		got := fmt.Sprintf("%s://%s%s", l["__scheme__"], l["__address__"], l["__metrics_path__"])
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || err == nil && want != "" && got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	many := make([]string, TargetsMax+1)
	for i := range many {
		many[i] = fmt.Sprintf("h%d:1", i)
	}
	for name, tc := range map[string]struct {
		jobs []Job
		want []string
	}{
		"nothing":  {nil, nil},
		"defaults": {[]Job{{Name: "a", Targets: []string{"h:1"}}}, nil},
		"all at once": {
			[]Job{{Name: "a", Targets: []string{"h:1"}}, {Name: "a", Targets: []string{"x/y"}}, {Timeout: time.Minute}},
			[]string{"twice", "only a URL", "needs a name", "timeout"},
		},
		"too short": {[]Job{{Name: "a", Interval: time.Microsecond}}, []string{"1ms"}},
		"too many":  {[]Job{{Name: "a", Targets: many}}, []string{"2001 targets"}},
	} {
		err := Check(tc.jobs)
		if (err == nil) != (tc.want == nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, w := range tc.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v, want %q", name, err, w)
			}
		}
	}
}

// FuzzTarget: what is taken must be taken by the scraper, too, and be asked where it says.
func FuzzTarget(f *testing.F) {
	for _, text := range []string{"127.0.0.1:9100", "[::1]:9100", "https://a/b", "http://a:1/", "a/b", "", "http://u@a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := groups([]Job{{Name: "a", Targets: []string{text}}})
		if err != nil {
			return
		}
		c := config.DefaultScrapeConfig
		found, errs := scrape.TargetsFromGroup(all[0], &c, nil, labels.NewBuilder(labels.EmptyLabels()))
		if len(errs) > 0 || len(found) != 1 {
			t.Fatalf("%q: %v", text, errs)
		}
		if u := found[0].URL(); u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			t.Fatalf("%q: %v", text, u)
		}
	})
}
