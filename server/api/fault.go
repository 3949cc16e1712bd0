package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gabion-io/gabion/server/gateway/inject"
	"github.com/gabion-io/gabion/server/status"
)

// Faults makes services fail on purpose.
type Faults interface {
	// Inject brings a fault into force. It fails with [inject.ErrNoTarget] when the configuration does not allow it, and
	// with [inject.ErrTooMany]; any other error says what is impossible in the rule.
	Inject(r inject.Rule) (status.Fault, error)
	// Faults are those in force.
	Faults() []status.Fault
	// Lift ends one. It returns false when there is none with that ID.
	Lift(id string) bool
}

// maxRule bounds a rule, in bytes.
const maxRule = 16 << 10

func (a *API) listFaults(w http.ResponseWriter, _ *http.Request) {
	show(w, status.Faults{Faults: list(a.Faults.Faults())})
}

func (a *API) injectFault(w http.ResponseWriter, r *http.Request) {
	// A writer without deadlines is one of a test.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(answerIn))
	var rule inject.Rule
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRule))
	d.DisallowUnknownFields()
	if err := d.Decode(&rule); err != nil {
		(&problem{Status: http.StatusBadRequest, Title: "Bad request", Detail: "The body is no rule: " + err.Error() + "."}).write(w)
		return
	}
	f, err := a.Faults.Inject(rule)
	switch {
	case errors.Is(err, inject.ErrNoTarget):
		(&problem{Status: http.StatusForbidden, Title: "No target", Detail: err.Error() + "."}).write(w)
	case errors.Is(err, inject.ErrTooMany):
		(&problem{Status: http.StatusConflict, Title: "Too many faults", Detail: err.Error() + "."}).write(w)
	case err != nil:
		(&problem{Status: http.StatusUnprocessableEntity, Title: "Refused", Detail: err.Error() + "."}).write(w)
	default:
		write(w, http.StatusCreated, jsonKind, f)
	}
}

func (a *API) liftFault(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !a.Faults.Lift(id) {
		(&problem{Status: http.StatusNotFound, Title: "No such fault", Detail: fmt.Sprintf("No fault has the ID %q. It may have ended by itself.", id)}).write(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
