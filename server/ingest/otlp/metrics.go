package otlp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/metrics/tier"
)

// Metrics takes samples. A [tier.Store] does.
type Metrics interface {
	Append(ctx context.Context, producer string, batch []tier.Sample) (tier.Dropped, error)
	Describe(metric string, m tier.Metadata)
}

// ServeMetrics answers POST /v1/metrics.
func (r *Receiver) ServeMetrics(w http.ResponseWriter, req *http.Request) {
	r.serve(w, req, func(format string, body []byte) (answer, error) {
		in := pmetricotlp.NewExportRequest()
		if err := decode(in, format, body, metricsRequest); err != nil {
			return nil, err
		}
		return r.takeMetrics(req.Context(), r.producer(req), in.Metrics())
	})
}

type metricService struct {
	pmetricotlp.UnimplementedGRPCServer
	receiver *Receiver
}

// Export takes metrics.
func (s *metricService) Export(ctx context.Context, in pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	out, err := s.receiver.takeMetrics(ctx, producer(ctx), in.Metrics())
	return out, failure(err)
}

// takeMetrics stores all points that can be stored. It says of how many that is not so, and why.
func (r *Receiver) takeMetrics(ctx context.Context, producer string, m pmetric.Metrics) (pmetricotlp.ExportResponse, error) {
	out := pmetricotlp.NewExportResponse()
	r.translating.Lock() // a body can become many times its size: one at a time
	defer r.translating.Unlock()
	in := m.DataPointCount()
	left := sift(m, r.now())
	batch, err := r.translate(ctx, m, &left)
	if err != nil {
		r.totals.undo()
		return out, err
	}
	var dropped tier.Dropped
	if len(batch) > 0 {
		if dropped, err = r.Metrics.Append(ctx, producer, batch); err != nil {
			r.totals.undo()
			return out, unstored(err)
		}
	}
	r.refused.Add(uint64(left.points))        // what the store drops it counts itself
	left.add(dropped.Samples, dropped.String) // a point can be several samples: the sum is bounded below
	if left.points > 0 {
		out.PartialSuccess().SetRejectedDataPoints(int64(min(left.points, in)))
		out.PartialSuccess().SetErrorMessage(left.why)
	}
	return out, nil
}

// RefusedPoints is how many points of metrics were refused since the start, besides those that the store dropped.
func (r *Receiver) RefusedPoints() uint64 { return r.refused.Load() }

// unstored says an error of the store in the words of those who come in.
func unstored(err error) error {
	if errors.Is(err, tier.ErrFull) {
		return fmt.Errorf("%w: %w", &ingest.FullError{Reason: "the metrics have no room"}, err)
	}
	return err
}

// producer is who sent a request.
func (r *Receiver) producer(req *http.Request) string {
	if r.Producer != nil {
		return "otlp " + r.Producer(req)
	}
	return "otlp " + hostOf(req.RemoteAddr)
}

// hostOf is an address without its port, which is another one with every connection.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil && host != "" {
		return host
	}
	return "local"
}
