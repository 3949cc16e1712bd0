// Package lines generates the log that the packages below logs are tested and measured with: 20 services with 600
// handlers and 80 instances, a random trace for each line, and 14 templates of messages. As JSON a line has 301 bytes on
// average.
package lines

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// The numbers of different values.
const (
	Services  = 20
	Handlers  = 600 // of all services
	Instances = 80  // of all services
	Templates = 14
)

// Start is the time of the first line in nanoseconds since 1970. All lines are in the 24 hours after it.
const Start = 1_767_225_600_000_000_000 // 2026-01-01

// Generate gives n lines in the order of their times, spread over 24 hours. The same seed and n give the same lines.
func Generate(seed uint64, n int) []entry.Entry {
	g := generator{random: rand.New(rand.NewPCG(seed, 301))}
	g.name()
	all := make([]entry.Entry, n)
	for i := range all {
		step := 24 * time.Hour / time.Duration(n)
		g.line(&all[i], Start+int64(i)*int64(step)+g.random.Int64N(max(int64(step), 1)))
	}
	return all
}

type generator struct {
	random    *rand.Rand
	services  [Services]string
	handlers  [Handlers]string
	instances [Instances]string
}

// name makes the names once, so that lines share their memory.
func (g *generator) name() {
	kinds := [...]string{"catalog", "checkout", "payment", "customer", "delivery"}
	parts := [...]string{"api", "worker", "gateway", "batch"}
	things := [...]string{"orders", "items", "prices", "stocks", "offers", "labels"}
	verbs := [...]string{"list", "create", "update", "remove", "export"}
	for i := range g.services {
		g.services[i] = kinds[i%len(kinds)] + "-" + parts[i/len(kinds)]
	}
	for i := range g.handlers {
		h := i / Services
		g.handlers[i] = fmt.Sprintf("/%s/v2/%s/%s", kinds[i%len(kinds)], things[h%len(things)], verbs[h/len(things)])
	}
	for i := range g.instances {
		g.instances[i] = fmt.Sprintf("%s-%02d", g.services[i%Services], i/Services)
	}
}

func (g *generator) line(e *entry.Entry, at int64) {
	service := g.random.IntN(Services)
	e.Time = at
	e.Service = g.services[service]
	e.Handler = g.handlers[g.random.IntN(Handlers/Services)*Services+service]
	e.Instance = g.instances[g.random.IntN(Instances/Services)*Services+service]
	var id [16]byte
	for i := range id {
		id[i] = byte(g.random.Uint32())
	}
	e.Trace = hex.EncodeToString(id[:])
	status := "200"
	switch p := g.random.IntN(100); {
	case p < 2:
		e.Level, status = entry.Error, "503"
	case p < 6:
		e.Level, status = entry.Warn, "404"
	case p < 20:
		e.Level = entry.Debug
	default:
		e.Level = entry.Info
	}
	e.Message = g.message(e.Level)
	e.Attrs = []entry.Attr{
		{Name: "status", Value: status},
		{Name: "duration", Value: strconv.FormatFloat(g.random.ExpFloat64()*40, 'f', 2, 64)},
		{Name: "user", Value: "u-" + strconv.Itoa(10_000+g.random.IntN(50_000))},
	}
}

// message is one of the templates, with values; errors have two of their own, and one of them is rare.
func (g *generator) message(level entry.Level) string {
	number := 1000 + g.random.IntN(99_000)
	template := g.random.IntN(12)
	if level == entry.Error {
		template = 12
		if g.random.IntN(4) == 0 {
			template = 13
		}
	}
	return fmt.Sprintf(templates[template], number)
}

var templates = [Templates]string{
	"request completed, %d bytes were sent to the client",
	"order-%d accepted and handed over to the warehouse",
	"cache miss for item %d, it is read from the database",
	"cache hit for item %d, nothing was read upstream",
	"payment %d authorized by the bank in the first try",
	"session of customer %d renewed for another hour",
	"price of item %d updated from the nightly import",
	"stock of item %d is low, a new delivery is ordered",
	"mail number %d queued for the customer, first try",
	"retry of call %d succeeded after the second attempt",
	"label %d printed and attached to the open delivery",
	"batch with %d rows written to the reporting tables",
	"upstream connection refused while item %d was asked",
	"Timeout while waiting for the answer of call %d here",
}

// AppendJSON appends the line as a service would have written it, without a line break: it is what "raw bytes" means in
// a measurement.
func AppendJSON(b []byte, e *entry.Entry) []byte {
	b = append(b, `{"ts":"`...)
	b = time.Unix(0, e.Time).UTC().AppendFormat(b, time.RFC3339Nano)
	for _, f := range [...]entry.Attr{
		{Name: "level", Value: e.Level.String()},
		{Name: "service", Value: e.Service},
		{Name: "handler", Value: e.Handler},
		{Name: "instance", Value: e.Instance},
		{Name: "trace", Value: e.Trace},
		{Name: "msg", Value: e.Message},
	} {
		b = append(b, `","`...)
		b = append(b, f.Name...)
		b = append(b, `":"`...)
		b = append(b, f.Value...)
	}
	b = append(b, '"')
	for _, a := range e.Attrs {
		b = append(b, `,"`...)
		b = append(b, a.Name...)
		b = append(b, `":`...)
		if a.Name == "user" {
			b = strconv.AppendQuote(b, a.Value)
			continue
		}
		b = append(b, a.Value...)
	}
	return append(b, '}')
}
