package api

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/config"
)

// maxConfig bounds a configuration, in bytes.
const maxConfig = 4 << 20

func (a *API) putConfig(w http.ResponseWriter, r *http.Request) {
	match := strings.Join(r.Header.Values("If-Match"), ",")
	if match == "" {
		(&problem{
			Status: http.StatusPreconditionRequired, Title: "If-Match is missing",
			Detail: "Send If-Match with the ETag from GET /api/v1/config, so that nobody's change is overwritten unseen.",
		}).write(w)
		return
	}
	// A writer without deadlines is one of a test.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(answerIn))
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxConfig))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		(&problem{Status: http.StatusRequestEntityTooLarge, Title: "Too large", Detail: "A configuration may have 4 MiB."}).write(w)
		return
	}
	if err != nil {
		return // the client broke off: nobody is there to answer
	}
	a.changed(w, a.Control.Replace(text, func(etag string) bool { return matches(match, etag) }))
}

func (a *API) reload(w http.ResponseWriter, _ *http.Request) { a.changed(w, a.Control.Reload()) }

// changed answers after the configuration was changed, or was not.
func (a *API) changed(w http.ResponseWriter, err error) {
	problems, wrong := errors.AsType[config.Problems](err)
	p := &problem{Status: http.StatusUnprocessableEntity, Title: "Refused"}
	switch {
	case err == nil:
		now := a.Config()
		w.Header().Set("ETag", now.ETag)
		show(w, now)
		return
	case errors.Is(err, ErrChanged):
		_, etag := a.Control.Source()
		p.Status, p.Title, p.Detail = http.StatusPreconditionFailed, "Changed in the meantime", "The configuration in force is "+etag+"."
	case wrong:
		p.Detail, p.Findings = "The configuration has problems; the one before stays in force.", problems
	case errors.Is(err, ErrStore):
		p.Status, p.Title, p.Detail = http.StatusInternalServerError, "Not stored", err.Error()
	default:
		p.Detail = err.Error()
	}
	p.write(w)
}

// matches compares as RFC 9110 §13.1.1 wants it for If-Match: strongly.
func matches(field, etag string) bool {
	for one := range strings.SplitSeq(field, ",") {
		if one = strings.TrimSpace(one); one == "*" || one == etag && !strings.HasPrefix(one, "W/") {
			return true
		}
	}
	return false
}
