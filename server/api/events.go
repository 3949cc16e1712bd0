package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/event"
)

// maxFollowers bounds how many follow the events at the same time.
const maxFollowers = 64

// beat is the time between two signs of life to a follower; proxies cut connections that are silent for long.
const beat = 15 * time.Second

func (a *API) events(w http.ResponseWriter, r *http.Request) {
	n, wrong := limit(r, 100)
	from := cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("since"))
	since, err := uint64(0), error(nil)
	if from != "" {
		since, err = strconv.ParseUint(from, 10, 64)
	}
	if err != nil && wrong == nil {
		wrong = badParameter("since", "the ID of an event")
	}
	switch {
	case wrong != nil:
		wrong.write(w)
	case wantsStream(r):
		a.follow(w, r, since, from != "")
	default:
		show(w, a.page(since, n, from != ""))
	}
}

// page is the first n events after since, or the last n when there is no since.
func (a *API) page(since uint64, n int, given bool) event.Page {
	if !given {
		last := a.Events.Since(0, 1).Last
		since = last - min(last, uint64(n))
		p := a.Events.Since(since, n)
		p.Missed = 0 // nobody asked for them
		return p
	}
	return a.Events.Since(since, n)
}

// wantsStream says whether the client names server-sent events among what it takes.
func wantsStream(r *http.Request) bool {
	for one := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		kind, _, err := mime.ParseMediaType(strings.TrimSpace(one))
		if err == nil && kind == streamKind {
			return true
		}
	}
	return false
}

// follow sends events until the client goes away or the API is closed: those after since if that is given, and all new ones.
func (a *API) follow(w http.ResponseWriter, r *http.Request, since uint64, given bool) {
	select {
	case a.followers <- struct{}{}:
		defer func() { <-a.followers }()
	default:
		(&problem{Status: http.StatusServiceUnavailable, Title: "Too many are following", Detail: "Ask again later."}).write(w)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.ctx, cancel)()
	news := a.Events.Subscribe(ctx)
	if !given {
		since = a.Events.Since(0, 1).Last
	}
	s := stream{w: w, to: http.NewResponseController(w), log: a.Events, last: since}
	w.Header().Set("Content-Type", streamKind)
	if !s.send("retry: 2000\n\n") || !s.catchUp() {
		return
	}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		var alive bool
		select {
		case _, more := <-news.C:
			if !more {
				return
			}
			// Also when this event has been sent: others may have been lost since, while the channel was full.
			alive = s.catchUp()
		case <-tick.C:
			alive = s.send(":\n\n")
		}
		if !alive {
			return
		}
	}
}

// stream is the answer to one follower.
type stream struct {
	w    http.ResponseWriter
	to   *http.ResponseController
	log  *event.Log
	last uint64 // ID of the last event that was sent
}

// catchUp sends everything after the last event that was sent: what a slow follower lost is still in the log. It says
// whether the client is still there.
func (s *stream) catchUp() bool {
	p := s.log.Since(s.last, 0)
	s.last = p.Last
	var text strings.Builder
	for _, e := range p.Events {
		data, err := json.Marshal(e)
		if err != nil {
			continue // an event has nothing that JSON does not have
		}
		fmt.Fprintf(&text, "id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, data)
	}
	return text.Len() == 0 || s.send(text.String())
}

func (s *stream) send(text string) bool {
	// A writer without deadlines is one of a test.
	_ = s.to.SetWriteDeadline(time.Now().Add(answerIn))
	if _, err := s.w.Write([]byte(text)); err != nil {
		return false
	}
	return s.to.Flush() == nil
}
