package loki

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"github.com/gabion-io/gabion/server/logs/logql"
)

// The bounds of a tail.
const (
	tailBatch = 200              // lines in one message
	tailWrite = 10 * time.Second // for a message to be taken
	tailPing  = 30 * time.Second
	tailLong  = time.Hour // after which a client connects anew
)

// tailed is one message of a tail.
type tailed struct {
	Streams []*stream `json:"streams"`
	Dropped []dropped `json:"dropped_entries,omitempty"`
}

// dropped tells that lines are missing. How many is told as a label, since the API has no place for it.
type dropped struct {
	Labels    map[string]string `json:"labels"`
	Timestamp string            `json:"timestamp"`
}

// tail gives lines from start on, and then as they come in.
func (h *Handler) tail(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), tailLong)
	defer cancel()
	t, err := h.startTail(ctx, &request{r, h.config.Now()})
	if err != nil {
		fail(w, err)
		return
	}
	// Lines are read with a GET that changes nothing, and the server in front checks who may: the origin does not matter.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // it has answered
	}
	// An error here means that the client is gone.
	defer func() { _ = conn.CloseNow() }()
	t.conn = conn
	ctx = conn.CloseRead(ctx) // ends when the client goes away
	go t.ping(ctx, cancel)
	if t.send(ctx, t.history) {
		t.follow(ctx)
	}
	// The client may be gone already.
	_ = conn.Close(websocket.StatusGoingAway, "the end of the tail: connect anew")
}

// tail is a client that follows.
type tail struct {
	conn        *websocket.Conn
	tail        *logql.Tail
	history     []logql.Line
	seen        map[string]int // lines of the history that may come in again
	categorized bool
	now         func() time.Time
}

// startTail subscribes first and reads the history then, so that no line is missed between the two.
func (h *Handler) startTail(ctx context.Context, r *request) (*tail, error) {
	e, err := logql.ParseLog(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	p := logql.Params{To: r.now.UnixNano() + 1}
	if p.From, err = r.time("start", r.now.Add(-time.Hour).UnixNano()); err != nil {
		return nil, err
	}
	if p.Limit, err = r.number("limit", 100); err != nil {
		return nil, err
	}
	t := &tail{categorized: categorized(r), now: h.config.Now, seen: map[string]int{}}
	if t.tail, err = h.engine.Follow(ctx, e); err != nil {
		return nil, err
	}
	if t.history, err = h.history(ctx, e, p); err != nil {
		return nil, err
	}
	for i := range t.history {
		t.seen[identity(&t.history[i])]++
	}
	return t, nil
}

// history gives the newest lines there are, the oldest of them first.
func (h *Handler) history(ctx context.Context, e *logql.LogExpr, p logql.Params) (lines []logql.Line, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.config.Timeout)
	defer cancel()
	_, err = h.take(ctx, func() (any, error) {
		result, err := h.engine.Query(ctx, e, p)
		if err == nil {
			lines = result.Lines
			slices.Reverse(lines)
		}
		return nil, err
	})
	return lines, err
}

func identity(l *logql.Line) string {
	return strconv.FormatInt(l.Time, 10) + l.All().String() + l.Text
}

func (t *tail) follow(ctx context.Context) {
	for {
		lines := t.tail.Next(ctx, tailBatch)
		if len(lines) == 0 || !t.send(ctx, t.fresh(lines)) {
			return
		}
	}
}

// fresh leaves out what the history had already.
func (t *tail) fresh(lines []logql.Line) []logql.Line {
	return slices.DeleteFunc(lines, func(l logql.Line) bool {
		if len(t.seen) == 0 {
			return false
		}
		key := identity(&l)
		n := t.seen[key]
		if n > 1 {
			t.seen[key]--
		} else {
			delete(t.seen, key)
		}
		return n > 0
	})
}

// message puts lines into Loki's form, and tells what was dropped.
func (t *tail) message(lines []logql.Line) tailed {
	m := tailed{Streams: streams(lines, t.categorized)}
	if n := t.tail.Dropped(); n > 0 {
		m.Dropped = []dropped{{map[string]string{"dropped": strconv.FormatInt(n, 10)}, strconv.FormatInt(t.now().UnixNano(), 10)}}
	}
	return m
}

// send writes a message, if there is something to tell.
func (t *tail) send(ctx context.Context, lines []logql.Line) bool {
	m := t.message(lines)
	if len(lines) == 0 && m.Dropped == nil {
		return true
	}
	text, err := json.Marshal(m)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, tailWrite)
	defer cancel()
	return t.conn.Write(ctx, websocket.MessageText, text) == nil
}

// ping ends the tail when the client does not answer any more.
func (t *tail) ping(ctx context.Context, end context.CancelFunc) {
	ticker := time.NewTicker(tailPing)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if t.alive(ctx) != nil {
				end()
				return
			}
		}
	}
}

func (t *tail) alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tailWrite)
	defer cancel()
	return t.conn.Ping(ctx)
}
