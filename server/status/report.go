package status

import (
	"time"

	"github.com/gabion-io/gabion/server/event"
)

// Report is the whole picture.
type Report struct {
	// Now is when it was taken.
	Now time.Time `json:"now"`
	// Process is the gateway itself; Config is the configuration in force.
	Process Process `json:"process"`
	Config  Config  `json:"config"`
	// Store is the process that keeps metrics and logs.
	Store Store `json:"store"`
	// Services and Limits are in the order of their names, Routes in that of the configuration. The last route has no
	// name: it stands for what no route takes.
	Services []Service `json:"services"`
	Routes   []Route   `json:"routes"`
	Limits   []Limit   `json:"limits"`
	// Events are the last ones, oldest first.
	Events []event.Event `json:"events"`
}

// Services is all services.
type Services struct {
	// Services are in the order of their names.
	Services []Service `json:"services"`
}

// Faults are the faults that are injected now.
type Faults struct {
	// Faults begin with the oldest.
	Faults []Fault `json:"faults"`
}

// Detail is one service and what concerns it.
type Detail struct {
	// Service is the service.
	Service Service `json:"service"`
	// Routes are those that lead to it.
	Routes []Route `json:"routes"`
	// Events are the last ones about it, oldest first.
	Events []event.Event `json:"events"`
}

// Top is the users that use most.
type Top struct {
	// By is what they are ordered by.
	By By `json:"by" enum:"requests,server_time"`
	// Users begin with the one that uses most.
	Users []Usage `json:"users"`
}
