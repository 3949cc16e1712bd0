package bulk

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// problem is how Elasticsearch says what is wrong.
type problem struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
}

type result struct {
	Index  string   `json:"_index"`
	ID     string   `json:"_id"`
	Result string   `json:"result,omitempty"`
	Status int      `json:"status"`
	Error  *problem `json:"error,omitempty"`
}

// answer says what became of each item.
func answer(w http.ResponseWriter, took time.Duration, items []item) {
	out := struct {
		Took   int64               `json:"took"`
		Errors bool                `json:"errors"`
		Items  []map[string]result `json:"items"`
	}{Took: took.Milliseconds(), Items: make([]map[string]result, 0, len(items))}
	for _, it := range items {
		r := result{Index: it.index, Status: it.status}
		if it.kind != "" {
			out.Errors, r.Error = true, &problem{it.kind, it.reason}
		} else {
			r.Result = "created"
		}
		out.Items = append(out.Items, map[string]result{it.action: r})
	}
	write(w, http.StatusOK, out)
}

// fail says why a request was not taken.
func fail(w http.ResponseWriter, status int, err error) {
	kind := "illegal_argument_exception"
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		kind = "es_rejected_execution_exception"
	}
	write(w, status, map[string]any{"error": problem{kind, err.Error()}, "status": status})
}

// version is that of the protocol that is spoken here: the last one that shippers of all years know.
const version = "8.17.0"

// probes are what shippers ask before they send, by path.
var probes = map[string]any{
	"": map[string]any{
		"name": "gabion", "cluster_name": "gabion", "cluster_uuid": "gabion", "tagline": "You Know, for Search",
		"version": map[string]any{
			"number": version, "build_flavor": "default", "build_type": "tar", "lucene_version": "9.12.0",
			"minimum_wire_compatibility_version": "7.17.0", "minimum_index_compatibility_version": "7.0.0",
		},
	},
	"_cluster/health": map[string]any{"cluster_name": "gabion", "status": "green", "timed_out": false, "number_of_nodes": 1, "number_of_data_nodes": 1},
	"_license":        map[string]any{"license": map[string]any{"status": "active", "type": "basic", "uid": "gabion", "mode": "basic"}},
	"_xpack":          map[string]any{"license": map[string]any{"status": "active", "type": "basic", "mode": "basic"}, "features": map[string]any{}},
	"_nodes":          map[string]any{"nodes": map[string]any{}},
	"_nodes/http":     map[string]any{"nodes": map[string]any{}},
}

// setups are the beginnings of paths under which shippers put templates and policies. They are accepted and do nothing:
// the store has one layout.
var setups = []string{"_index_template/", "_component_template/", "_template/", "_ilm/policy/", "_ingest/pipeline/", "_data_stream/"}

// probe answers what is no _bulk.
func probe(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(r.URL.Path, "/")
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	if known, ok := probes[path]; ok && read {
		write(w, http.StatusOK, known)
		return
	}
	for _, setup := range setups {
		if strings.HasPrefix(path, setup) && (read || r.Method == http.MethodPut || r.Method == http.MethodPost) {
			write(w, http.StatusOK, map[string]any{"acknowledged": true})
			return
		}
	}
	write(w, http.StatusNotFound, map[string]any{"error": problem{"resource_not_found_exception", "only _bulk and what shippers ask before it is known here"}, "status": http.StatusNotFound})
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that is gone is not told.
	_ = json.NewEncoder(w).Encode(v)
}
