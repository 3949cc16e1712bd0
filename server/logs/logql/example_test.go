package logql_test

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
)

// page is a source of few entries, the oldest first.
type page []*entry.Entry

func (p page) Select(_ context.Context, q logql.Query) iter.Seq2[*entry.Entry, error] {
	return func(yield func(*entry.Entry, error) bool) {
		for _, e := range p {
			if q.Match(e) && !yield(e, nil) {
				return
			}
		}
	}
}

func ExampleEngine_Query() {
	logs := page{
		{Time: 1e9, Service: "shop", Level: entry.Info, Message: "took=20ms"},
		{Time: 2e9, Service: "shop", Level: entry.Error, Message: "took=3s"},
	}
	engine := logql.New(logs, logql.Limits{})
	for _, text := range []string{
		`{service="shop"} | logfmt | took > 1s`,
		`max_over_time({service="shop"} | logfmt | unwrap duration(took) [1m]) by (service)`,
	} {
		query, err := logql.Parse(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		result, err := engine.Query(context.Background(), query, logql.Params{To: int64(time.Minute), Forward: true})
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, l := range result.Lines {
			fmt.Println(l.All(), l.Text)
		}
		for _, s := range result.Series {
			fmt.Println(s.Labels, s.Points[0].Value)
		}
	}
	// Output:
	// {level="error", service="shop", took="3s"} took=3s
	// {service="shop"} 3
}

func ExampleParse() {
	_, err := logql.Parse(`{service="shop"} | jsn`)
	fmt.Println(err)
	query, err := logql.Parse("sum(rate({service=`shop`}[1h]))by(handler)")
	fmt.Println(query, err)
	// Output:
	// parse error at line 1, col 20: unexpected "jsn", expected a stage (json, logfmt, pattern, regexp, line_format, label_format, drop, keep, unwrap) or a label filter
	// sum by (handler) (rate({service="shop"} [1h0m0s])) <nil>
}
