package shop

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is how a service misbehaves, for demonstrations. The zero Fault is none. It hits every request except those
// for /fault itself and, unless Health is set, those for /healthz.
//
// It is read with GET /fault and changed with POST /fault, from the same host only and not through a proxy:
//
//	curl -d '{"error": 1.0, "delay": "2s"}' http://127.0.0.1:9001/fault
//	curl -d '{}' http://127.0.0.1:9001/fault
type Fault struct {
	// Error is the share of requests that are answered with 500, from 0 to 1.
	Error float64
	// Delay is how long every answer is held back.
	Delay time.Duration
	// Health makes /healthz misbehave as well. Without it the service looks healthy while it fails.
	Health bool
}

// maxDelay bounds [Fault.Delay], so that a slip of the pen does not hold requests for days.
const maxDelay = time.Hour

// fault is the form of a [Fault] in JSON.
type fault struct {
	Error  float64 `json:"error"`
	Delay  string  `json:"delay,omitempty"`
	Health bool    `json:"health,omitempty"`
}

// ParseFault reads the form of the command line: "error=1,delay=2s,health=true". "" is no fault.
func ParseFault(text string) (Fault, error) {
	var f Fault
	if text == "" {
		return f, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		var err error
		switch name {
		case "error":
			f.Error, err = strconv.ParseFloat(value, 64)
		case "delay":
			f.Delay, err = time.ParseDuration(value)
		case "health":
			f.Health, err = strconv.ParseBool(value)
		default:
			err = fmt.Errorf("%q is not a part of a fault: use error, delay, health", name)
		}
		if err != nil {
			return Fault{}, fmt.Errorf("fault %q: %w", text, err)
		}
	}
	return f, f.validate()
}

func (f Fault) validate() error {
	if !(f.Error >= 0 && f.Error <= 1) { // written so that NaN is refused
		return fmt.Errorf("fault: error is %v, must be from 0 to 1", f.Error)
	}
	if f.Delay < 0 || f.Delay > maxDelay {
		return fmt.Errorf("fault: delay is %v, must be from 0 to %v", f.Delay, maxDelay)
	}
	return nil
}

// MarshalJSON writes the delay as text, such as "2s".
func (f Fault) MarshalJSON() ([]byte, error) {
	wire := fault{Error: f.Error, Health: f.Health}
	if f.Delay != 0 {
		wire.Delay = f.Delay.String()
	}
	return json.Marshal(wire)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Fault) UnmarshalJSON(data []byte) error {
	var wire fault
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	read := Fault{Error: wire.Error, Health: wire.Health}
	if wire.Delay != "" {
		delay, err := time.ParseDuration(wire.Delay)
		if err != nil {
			return err
		}
		read.Delay = delay
	}
	if err := read.validate(); err != nil {
		return err
	}
	*f = read
	return nil
}

// faulty is a service that can be told to misbehave.
type faulty struct {
	service http.Handler
	mu      sync.Mutex
	fault   Fault
}

func withFault(initial Fault, service http.Handler) http.Handler {
	return &faulty{service: service, fault: initial}
}

// ServeHTTP implements http.Handler.
func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/fault" {
		f.control(w, r)
		return
	}
	f.mu.Lock()
	now := f.fault
	f.mu.Unlock()
	if r.URL.Path == "/healthz" && !now.Health {
		f.service.ServeHTTP(w, r)
		return
	}
	if !pause(r, now.Delay) {
		return
	}
	if rand.Float64() < now.Error {
		fail(w, http.StatusInternalServerError, "this service was told to fail")
		return
	}
	f.service.ServeHTTP(w, r)
}

// pause holds a request back. It says whether its client is still there.
func pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// control shows and changes the fault.
func (f *faulty) control(w http.ResponseWriter, r *http.Request) {
	if !local(r) {
		fail(w, http.StatusForbidden, "faults are controlled from the same host only")
		return
	}
	if r.Method == http.MethodPost {
		var next Fault
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024)).Decode(&next); err != nil {
			fail(w, http.StatusBadRequest, err.Error())
			return
		}
		f.mu.Lock()
		f.fault = next
		f.mu.Unlock()
	}
	f.mu.Lock()
	now := f.fault
	f.mu.Unlock()
	answer(w, http.StatusOK, now)
}

// local says whether a request comes from the same host and not through a proxy on it, which could be anybody's.
func local(r *http.Request) bool {
	for _, field := range []string{"Forwarded", "X-Forwarded-For", "Via"} {
		if r.Header.Get(field) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
