package promapi

import (
	"net/http"
	"testing"

	"github.com/golang/snappy"
)

// Whatever is sent, the answer is one of those that are documented, and a refused request stores nothing.

func FuzzText(f *testing.F) {
	for _, s := range []string{
		"up 1\n", "# HELP a b\n# TYPE a counter\na{b=\"c\"} 1 2\n", "a{\"b\"=\"c\\n\"} NaN", "{\"a.b\",c=\"d\"} +Inf\n", "# EOF\n", "a{le=\"1\",le=\"1\"} 0",
	} {
		f.Add(s, false)
		f.Add(s+"# EOF\n", true)
	}
	b := setup(f, nil)
	f.Fuzz(func(t *testing.T, body string, open bool) {
		content := plain
		if open {
			content = openMetrics
		}
		b.t = t
		status, answer := b.post("/api/v1/metrics", body, "Content-Type", content)
		if status != http.StatusOK && status != http.StatusBadRequest {
			t.Errorf("%d %s", status, answer)
		}
	})
}

func FuzzWrite(f *testing.F) {
	one, err := first(start).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	two, err := second(start).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(one, false)
	f.Add(two, true)
	f.Add([]byte{}, true)
	f.Add([]byte{34, 0, 42, 4, 10, 2, 0, 0}, true)
	b := setup(f, nil)
	f.Fuzz(func(t *testing.T, body []byte, v2 bool) {
		header := firstHeader
		if v2 {
			header = secondHeader
		}
		b.t = t
		status, answer := b.post("/api/v1/write", string(snappy.Encode(nil, body)), header...)
		if status != http.StatusNoContent && status != http.StatusBadRequest && status != http.StatusRequestEntityTooLarge {
			t.Errorf("%d %s", status, answer)
		}
		// Not packed at all.
		status, answer = b.post("/api/v1/write", string(body), header...)
		if status != http.StatusNoContent && status != http.StatusBadRequest && status != http.StatusRequestEntityTooLarge {
			t.Errorf("%d %s", status, answer)
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, q := range []string{`up`, `sum by (a) (rate(b[5m]))`, `{__name__=~".+"}`, `1 / 0`, `"x"`, `up[5m:1m] offset -1h`, `increase(a[5m] anchored)`} {
		f.Add(q)
	}
	b := setup(f, nil)
	b.seed()
	f.Fuzz(func(t *testing.T, q string) {
		b.t = t
		b.ask(q)
	})
}
