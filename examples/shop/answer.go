package shop

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	// An error means that the client went away: there is nobody left to tell.
	_, _ = w.Write(append(body, '\n'))
}

// fail answers with a status and its reason.
func fail(w http.ResponseWriter, status int, reason string) {
	answer(w, status, map[string]string{"error": reason})
}

// unavailable answers 503 and says when to come back.
func unavailable(w http.ResponseWriter, reason string, after time.Duration) {
	seconds := max(1, int(math.Ceil(after.Seconds())))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	fail(w, http.StatusServiceUnavailable, reason)
}

// healthy answers /healthz.
func healthy(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]string{"status": "ok"})
}
