package status

import "time"

// Store is the process that keeps metrics and logs.
type Store struct {
	// State is up when it takes what there is. Off: there is none.
	State string `json:"state" enum:"off,starting,up,down,restarting,stopped"`
	// Since is when it came up, or since when it is not: tries to start it again do not count as something new.
	Since time.Time `json:"since,omitzero"`
	// Reason says why it was last down.
	Reason string `json:"reason,omitempty"`
	// PID is its process, 0 when there is none.
	PID int `json:"pid"`
	// Restarts counts how often it was started again.
	Restarts uint64 `json:"restarts"`
	// Disk is ok; low, when what matters least is not kept any more; or full, when nothing is. It is empty while that is not known.
	Disk string `json:"disk" enum:",ok,low,full"`
	// Feeds are what the gateway has for it.
	Feeds []Feed `json:"feeds"`
}

// The states of a store that others look at.
const (
	StoreOff = "off"
	StoreUp  = "up"
)

// Feed is what the gateway has for its store: metrics, or lines of logs.
type Feed struct {
	// Name is metrics or lines.
	Name string `json:"name" enum:"metrics,lines"`
	// Buffered is how many items wait to be sent, Bytes the memory that they take.
	Buffered int `json:"buffered"`
	Bytes    int `json:"bytes"`
	// Sent counts items that the store has taken, Dropped those for which there was no room, Refused those that it will
	// never take. An item is many lines, or many metrics.
	Sent    uint64 `json:"sent"`
	Dropped uint64 `json:"dropped"`
	Refused uint64 `json:"refused"`
}
