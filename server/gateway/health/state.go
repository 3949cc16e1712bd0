package health

// State is whether requests are sent to an endpoint.
type State uint8

// The states.
const (
	In    State = iota // all requests
	Out                // none
	Trial              // single requests
)

// String is the state's name in scripts and events.
func (s State) String() string {
	switch s {
	case In:
		return "in"
	case Out:
		return "ejected"
	case Trial:
		return "trial"
	}
	return "unknown"
}

// Verdict is what follows from a result.
type Verdict uint8

// The verdicts.
const (
	// Nothing follows.
	Nothing Verdict = iota
	// Guilty: the endpoint should be ejected. Whether it can be is not its own business alone: see [Ejection.Eject].
	Guilty
	// Cleared: the trials succeeded, the endpoint is in again.
	Cleared
)

// String is the verdict's name in scripts.
func (v Verdict) String() string {
	switch v {
	case Nothing:
		return "nothing"
	case Guilty:
		return "guilty"
	case Cleared:
		return "cleared"
	}
	return "unknown"
}
