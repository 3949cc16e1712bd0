package promapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/golang/snappy"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// The bounds of a write.
const (
	bodyMax    = 8 << 20  // as it is sent
	decodedMax = 16 << 20 // unpacked
	samplesMax = 100_000  // ten times what senders put into a request
)

var errLarge = errors.New("the request is too large: send less at a time")

// delivery is what a write brings. It is read wholly before anything is stored: a request that breaks off leaves nothing.
type delivery struct {
	samples  []tier.Sample
	metadata map[string]tier.Metadata
}

func (d *delivery) add(s tier.Sample) error {
	if len(d.samples) == samplesMax {
		return fmt.Errorf("%w: it has more than %d samples", errLarge, samplesMax)
	}
	d.samples = append(d.samples, s)
	return nil
}

func (d *delivery) describe(metric string, m tier.Metadata) {
	if d.metadata == nil {
		d.metadata = map[string]tier.Metadata{}
	}
	if len(d.metadata) < samplesMax {
		d.metadata[metric] = m
	}
}

// store appends what was delivered.
func (a *API) storeAll(r *http.Request, d *delivery) (tier.Dropped, *failure) {
	dropped, err := a.store.Append(r.Context(), a.config.Producer(r), d.samples)
	if err != nil {
		if f := failed(err); f.kind != "execution" {
			return dropped, f
		}
		return dropped, &failure{http.StatusInternalServerError, "internal", err.Error()} // to be sent again
	}
	for metric, m := range d.metadata {
		a.store.Describe(metric, m)
	}
	if dropped.Samples > 0 {
		return dropped, bad(errors.New(dropped.String()))
	}
	return dropped, nil
}

// write takes remote-write. Samples that the guards refuse are answered with 400, after the others were stored, so that
// the sender does not send them again; what may be sent again is answered with 5xx.
func (a *API) write(w http.ResponseWriter, r *http.Request) {
	second, f := protocol(r)
	if f != nil {
		fail(w, f)
		return
	}
	body, f := unpack(w, r)
	if f != nil {
		fail(w, f)
		return
	}
	var d delivery
	var err error
	if second {
		err = readSecond(body, &d)
	} else {
		err = readFirst(body, &d)
	}
	if err != nil {
		fail(w, unreadable(err))
		return
	}
	dropped, f := a.storeAll(r, &d)
	if second && (f == nil || f.status == http.StatusBadRequest) {
		written(w.Header(), &d, dropped)
	}
	if f != nil {
		fail(w, f)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func unreadable(err error) *failure {
	f := bad(err)
	if errors.Is(err, errLarge) {
		f.status = http.StatusRequestEntityTooLarge
	}
	return f
}

// written tells a sender of remote-write 2 what was stored.
func written(h http.Header, d *delivery, dropped tier.Dropped) {
	histograms := 0
	for i := range d.samples {
		if d.samples[i].Histogram != nil || d.samples[i].FloatHistogram != nil {
			histograms++
		}
	}
	floats := len(d.samples) - histograms
	h.Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(floats-(dropped.Samples-dropped.Histograms)))
	h.Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(histograms-dropped.Histograms))
	h.Set("X-Prometheus-Remote-Write-Exemplars-Written", "0")
}

// protocol finds out by the headers whether it is the second version.
func protocol(r *http.Request) (second bool, f *failure) {
	unsupported := func(what string) *failure {
		return &failure{http.StatusUnsupportedMediaType, "bad_data", what}
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "snappy" {
		return false, unsupported(fmt.Sprintf("Content-Encoding %q: only snappy is known", e))
	}
	content := r.Header.Get("Content-Type")
	if content == "" {
		return false, nil
	}
	kind, params, err := mime.ParseMediaType(content)
	if err != nil || kind != "application/x-protobuf" {
		return false, unsupported(fmt.Sprintf("Content-Type %q: only application/x-protobuf is known", content))
	}
	switch params["proto"] {
	case "", "prometheus.WriteRequest":
		return false, nil
	case "io.prometheus.write.v2.Request":
		return true, nil
	}
	return false, unsupported(fmt.Sprintf("Content-Type %q: neither remote-write 1 nor 2", content))
}

// unpack reads the body and undoes its compression.
func unpack(w http.ResponseWriter, r *http.Request) ([]byte, *failure) {
	packed, f := readBody(http.MaxBytesReader(w, r.Body, bodyMax))
	if f != nil {
		return nil, f
	}
	n, err := snappy.DecodedLen(packed)
	if err != nil {
		return nil, bad(fmt.Errorf("the body is no snappy block: %w", err))
	}
	if n > decodedMax {
		return nil, unreadable(fmt.Errorf("%w: unpacked it has %d bytes, %d are allowed", errLarge, n, decodedMax))
	}
	body, err := snappy.Decode(nil, packed)
	if err != nil {
		return nil, bad(fmt.Errorf("the body is no snappy block: %w", err))
	}
	return body, nil
}

func readBody(r io.Reader) ([]byte, *failure) {
	body, err := io.ReadAll(r)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, unreadable(fmt.Errorf("%w: it has more than %d bytes", errLarge, bodyMax))
	}
	if err != nil {
		return nil, bad(fmt.Errorf("the body broke off: %w", err))
	}
	return body, nil
}
