// Package lokipush takes log lines as Loki does: POST /loki/api/v1/push, in protobuf (packed with snappy) and in JSON.
//
// The labels of a stream and the structured metadata of a line become the fields of an entry that they stand for, or
// attributes. A line is kept as it is.
package lokipush

import (
	"fmt"
	"mime"
	"net/http"
	"time"

	"github.com/golang/snappy"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// maxUnpacked is how large a body that is packed with snappy may get.
const maxUnpacked = 16 << 20

// Handler takes lines over HTTP.
type Handler struct {
	// Sink gets the lines. Required.
	Sink ingest.Sink
	// Intake bounds the bodies. Required.
	Intake *ingest.Intake
}

// ServeHTTP answers POST: 204 when all lines are taken, else a text that says why not, and nothing is taken. A line that
// the sink drops by itself, such as one over quota, is no error: senders would send all others again.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "only POST is known here", http.StatusMethodNotAllowed)
		return
	}
	read, err := decoder(r.Header.Get("Content-Type"))
	if err == nil {
		err = h.Intake.Read(w, r, func(body []byte) error {
			lines, err := read(body, time.Now())
			if err != nil || len(lines) == 0 {
				return err
			}
			_, err = ingest.Partial(h.Sink.Append(r.Context(), "loki "+r.RemoteAddr, lines))
			return err
		})
	}
	if err != nil {
		http.Error(w, err.Error(), ingest.Status(w.Header(), err))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// decoder finds out how a body is read.
func decoder(contentType string) (func([]byte, time.Time) ([]entry.Entry, error), error) {
	kind, _, err := mime.ParseMediaType(contentType)
	switch {
	case err == nil && kind == "application/json":
		return readJSON, nil
	case contentType == "" || err == nil && kind == "application/x-protobuf":
		return readPacked, nil
	}
	return nil, fmt.Errorf("%w: Content-Type %.40q, known are application/json and application/x-protobuf", ingest.ErrEncoding, contentType)
}

// readPacked unpacks a body and reads it. Its size is known before it is unpacked.
func readPacked(body []byte, now time.Time) ([]entry.Entry, error) {
	n, err := snappy.DecodedLen(body)
	if err == nil && n > maxUnpacked {
		return nil, fmt.Errorf("%w: %d bytes unpacked, at most %d are read", ingest.ErrTooLarge, n, maxUnpacked)
	}
	if err == nil {
		body, err = snappy.Decode(nil, body)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the body is no snappy: %w", ingest.ErrRefused, err)
	}
	return readProtobuf(body, now)
}
