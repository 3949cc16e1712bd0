package promapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/internal/script"
)

// The answers are held by testdata/contract.txt. Parameters are escaped as in a URL.
func TestContract(t *testing.T) {
	script.Run(t, "testdata/*.txt", func(t *testing.T) func(script.Command) string {
		b := setup(t, nil)
		b.seed()
		return func(c script.Command) string {
			form := url.Values{}
			for k, v := range c.Keys {
				value, err := url.QueryUnescape(v)
				if err != nil {
					t.Fatalf("line %d: %v", c.Line, err)
				}
				form.Set(k, value)
			}
			path := "/api/v1/" + c.Args[0]
			var r *http.Response
			switch c.Name {
			case "get":
				r = b.send(http.MethodGet, path+"?"+form.Encode(), "")
			case "post":
				r = b.send(http.MethodPost, path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
			default:
				t.Fatalf("line %d: %q is no command", c.Line, c.Name)
			}
			status, body := read(t, r)
			if !json.Valid([]byte(body)) {
				t.Errorf("line %d: this is no JSON: %s", c.Line, body)
			}
			if r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("line %d: Content-Type %q", c.Line, r.Header.Get("Content-Type"))
			}
			if strings.HasSuffix(path, "info") { // they depend on the machine
				body = keys(t, body)
			}
			return strconv.Itoa(status) + "\n" + body + "\n"
		}
	})
}

func keys(t *testing.T, body string) string {
	var out struct{ Data map[string]any }
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		t.Fatal(err)
	}
	return strings.Join(slices.Sorted(maps.Keys(out.Data)), " ")
}
