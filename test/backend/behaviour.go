// Package backend is a service that fails on command. It runs as a process of its own, the test binary started once
// more, so that it can be killed and stopped like a real one; and it writes down every request and every execution
// in a file that survives that.
package backend

import "time"

// Mode is a way to behave.
type Mode string

// The ways to behave.
const (
	// OK answers 200 with the payload of the request.
	OK Mode = ""
	// Status answers with another status, see [Behaviour.Status].
	Status Mode = "status"
	// Hang takes the request and never answers.
	Hang Mode = "hang"
	// Reset executes the request, sends half of the answer and resets the connection.
	Reset Mode = "reset"
	// Cut is Reset with a proper end of the connection.
	Cut Mode = "cut"
	// Garbage answers something that is not HTTP.
	Garbage Mode = "garbage"
	// Raw answers the bytes of [Behaviour.Raw] and closes the connection.
	Raw Mode = "raw"
	// Drip sends its answer in ten pieces over the time of [Behaviour.Work].
	Drip Mode = "drip"
)

// Behaviour is how a backend behaves from now on. The zero Behaviour answers everything at once.
type Behaviour struct {
	Mode Mode
	// Status is what is answered in mode [Status].
	Status int
	// Work is how long it works on a request.
	Work time.Duration
	// Workers is how many requests it works on at once; further ones wait for their turn, first come first served.
	// Default: no bound.
	Workers int
	// HangPath is a path whose requests hang, each at a worker, until their client goes away. Default: none.
	HangPath string
	// Health is the status of /healthz. Default: 200, whatever the mode.
	Health int
	// MaxRate is how many requests a second it can take; more are answered with 503. Default: no bound.
	MaxRate int
	// Raw is what is sent in mode [Raw].
	Raw string
}
