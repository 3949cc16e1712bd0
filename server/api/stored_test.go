package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestWhatTheStoreAnswers(t *testing.T) {
	b := setup(t)
	for _, path := range stored {
		if w := b.do(request(t, http.MethodGet, path, "")); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "data is off") {
			t.Errorf("%s without a store: %d %s", path, w.Code, w.Body)
		}
	}
	b.Stored = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Method, " ", r.URL.Path) })
	for _, path := range []string{
		"/prometheus/api/v1/query", "/loki/api/v1/push", "/elasticsearch/_bulk", "/v1/metrics", "/v1/logs", "/v1/traces", "/api/v1/metrics", "/api/v1/logs", "/api/v1/logs/ways", "/api/v1/traces/0af7",
	} {
		if w := b.do(request(t, http.MethodPost, path, "x")); w.Code != http.StatusOK || w.Body.String() != "POST "+path {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		far := request(t, http.MethodPost, path, "x")
		far.RemoteAddr = "192.0.2.1:5000"
		if w := b.do(far); w.Code != http.StatusForbidden {
			t.Errorf("%s from another host: %d", path, w.Code)
		}
		b.set("serving", "right")
		if w := b.do(far); w.Code != http.StatusUnauthorized {
			t.Errorf("%s from another host without the token: %d", path, w.Code)
		}
		far.Header.Set("Authorization", "Bearer right")
		if w := b.do(far); w.Code != http.StatusOK {
			t.Errorf("%s from another host with the token: %d", path, w.Code)
		}
		b.set("serving", "")
		page := request(t, http.MethodPost, path, "x", "Sec-Fetch-Site", "cross-site")
		if w := b.do(page); w.Code != http.StatusForbidden {
			t.Errorf("%s from a page of another site: %d", path, w.Code)
		}
	}
	if w := b.do(request(t, http.MethodGet, "/-/status", "")); w.Code != http.StatusNotFound {
		t.Errorf("what is between the processes: %d", w.Code)
	}
}
