package client

import (
	"encoding/json"
	"testing"
)

// Whatever a server answers, it is an answer or an error, and every series of a vector has exactly one point.
func FuzzAnswer(f *testing.F) {
	for _, data := range []string{
		`{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.5,"2"]},{"metric":{},"histogram":[2,{"count":"3","sum":"+Inf"}]}]}`,
		`{"resultType":"matrix","result":[{"metric":{},"values":[[1,"-Inf"],[3,"1e3"]],"histograms":[[2,{"count":"1","sum":"2"}]]}]}`,
		`{"resultType":"scalar","result":[1,"42"]}`, `{"resultType":"string","result":[1,"x"]}`,
		`{"resultType":"streams","result":[{"stream":{"a":"b"},"values":[["2","x"],["1","y",{}]]}]}`,
		`{"resultType":"vector","result":[{}]}`, `{"resultType":"scalar","result":null}`, `null`,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := (&envelope{Data: json.RawMessage(data)}).answer()
		if err != nil {
			return
		}
		for _, s := range a.Series {
			if a.Kind == Vector && len(s.Points) != 1 {
				t.Errorf("%s: %d points", data, len(s.Points))
			}
		}
		for i, l := range a.Lines {
			if l.Labels == nil || i > 0 && l.At.Before(a.Lines[i-1].At) {
				t.Errorf("%s: line %d: %+v", data, i, l)
			}
		}
	})
}
