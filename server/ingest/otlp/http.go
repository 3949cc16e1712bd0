package otlp

import (
	"fmt"
	"mime"
	"net/http"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gabion-io/gabion/server/ingest"
)

// The formats of bodies.
const (
	protobuf = "application/x-protobuf"
	jsonText = "application/json"
)

// payload is a request or an answer of OTLP, in both formats.
type payload interface {
	UnmarshalProto([]byte) error
	UnmarshalJSON([]byte) error
}

type answer interface {
	MarshalProto() ([]byte, error)
	MarshalJSON() ([]byte, error)
}

// ServeLogs answers POST /v1/logs.
func (r *Receiver) ServeLogs(w http.ResponseWriter, req *http.Request) {
	r.serve(w, req, func(format string, body []byte) (answer, error) {
		in, out := plogotlp.NewExportRequest(), plogotlp.NewExportResponse()
		if err := decode(in, format, body, logsRequest); err != nil {
			return nil, err
		}
		rejected, reason, err := r.takeLogs(req.Context(), r.producer(req), in.Logs())
		if rejected > 0 {
			out.PartialSuccess().SetRejectedLogRecords(rejected)
			out.PartialSuccess().SetErrorMessage(reason)
		}
		return out, err
	})
}

// ServeTraces answers POST /v1/traces.
func (r *Receiver) ServeTraces(w http.ResponseWriter, req *http.Request) {
	r.serve(w, req, func(format string, body []byte) (answer, error) {
		in := ptraceotlp.NewExportRequest()
		if err := decode(in, format, body, spansRequest); err != nil {
			return nil, err
		}
		return ptraceotlp.NewExportResponse(), r.takeTraces(req.Context(), r.producer(req), in.Traces())
	})
}

// serve reads a body, and answers in its format.
func (r *Receiver) serve(w http.ResponseWriter, req *http.Request, take func(format string, body []byte) (answer, error)) {
	format, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	switch {
	case req.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		fail(w, format, http.StatusMethodNotAllowed, fmt.Errorf("%w: only POST is known here", ingest.ErrRefused))
		return
	case err != nil || format != protobuf && format != jsonText:
		fail(w, protobuf, http.StatusUnsupportedMediaType, fmt.Errorf("%w: Content-Type %.40q, known are %s and %s", ingest.ErrEncoding, req.Header.Get("Content-Type"), protobuf, jsonText))
		return
	}
	var out answer
	if err := r.Intake.Read(w, req, func(body []byte) (err error) {
		out, err = take(format, body)
		return err
	}); err != nil {
		fail(w, format, ingest.Status(w.Header(), err), err)
		return
	}
	marshal := out.MarshalProto
	if format == jsonText {
		marshal = out.MarshalJSON
	}
	text, err := marshal()
	if err != nil {
		fail(w, format, http.StatusInternalServerError, err)
		return
	}
	write(w, format, http.StatusOK, text)
}

// decode reads a request.
func decode(in payload, format string, body []byte, m message) error {
	check, read := func(b []byte) error { return shallow(b, m) }, in.UnmarshalProto
	if format == jsonText {
		check, read = shallowJSON, in.UnmarshalJSON
	}
	if err := check(body); err != nil {
		return err
	}
	if err := read(body); err != nil {
		return fmt.Errorf("%w: the body is no OTLP: %w", ingest.ErrRefused, err)
	}
	return nil
}

// fail answers with a google.rpc.Status, as the protocol demands.
func fail(w http.ResponseWriter, format string, code int, err error) {
	s := status.New(codeOf(err), err.Error()).Proto()
	marshal := proto.Marshal
	if format == jsonText {
		marshal = protojson.Marshal
	} else {
		format = protobuf
	}
	text, err := marshal(s)
	if err != nil { // a text that is no UTF-8: the status says enough
		text = nil
	}
	write(w, format, code, text)
}

// codeOf is the code of gRPC that says what an error means to the sender.
func codeOf(err error) codes.Code {
	switch ingest.Status(http.Header{}, err) {
	case http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	}
	return codes.InvalidArgument
}

func write(w http.ResponseWriter, format string, code int, text []byte) {
	w.Header().Set("Content-Type", format)
	w.WriteHeader(code)
	// A client that is gone is not told.
	_, _ = w.Write(text)
}
