package httpx_test

import (
	"net/http"
	"testing"

	"github.com/gabion-io/gabion/httpx"
)

func TestATransportNeedsNoConfiguration(t *testing.T) {
	noLeak(t)
	s := serve(t, says(http.StatusOK, "hello"))
	if a := get(t, client(t, httpx.TransportConfig{}), s.URL); a.status != http.StatusOK || a.body != "hello" || a.err != nil {
		t.Errorf("got %+v", a)
	}
}

func TestTheLastFailureIsReturnedAsAnAnswer(t *testing.T) {
	noLeak(t)
	h := scripted(says(http.StatusServiceUnavailable, "first"), says(http.StatusServiceUnavailable, "second"), says(http.StatusBadGateway, "third"))
	s := serve(t, h.ServeHTTP)
	a := get(t, clientOf(t, httpx.TransportConfig{}, retries(t)), s.URL)
	if a.status != http.StatusBadGateway || a.body != "third" || a.err != nil || h.calls.Load() != 3 {
		t.Errorf("got %+v after %d calls", a, h.calls.Load())
	}
}
