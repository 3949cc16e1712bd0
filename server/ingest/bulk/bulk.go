// Package bulk takes log lines as Elasticsearch does: POST /_bulk, two lines of JSON for each entry, an action and a
// document. Shippers made for Elasticsearch first ask what they talk to; that is answered as well.
//
// Every item has its own answer, so a shipper sends again those that were over quota and no others. An action that cannot
// be read ends the request, since nobody knows then which lines are documents: nothing is stored.
package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/ingest/object"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// Handler takes documents over HTTP, and answers what shippers ask. It expects the paths of Elasticsearch, so a prefix in
// front of them must be stripped.
type Handler struct {
	// Sink gets the lines. Required.
	Sink ingest.Sink
	// Intake bounds the bodies. Required.
	Intake *ingest.Intake
}

// ServeHTTP answers /_bulk and /INDEX/_bulk, and the probes.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch") // official clients refuse to talk to what does not say so
	index, ok := strings.CutSuffix(strings.Trim(r.URL.Path, "/"), "_bulk")
	if !ok || index != "" && !strings.HasSuffix(index, "/") {
		probe(w, r)
		return
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		w.Header().Set("Allow", "POST, PUT")
		fail(w, http.StatusMethodNotAllowed, errors.New("only POST and PUT are known here"))
		return
	}
	start := time.Now()
	var items []item
	err := h.Intake.Read(w, r, func(body []byte) (err error) {
		var lines []entry.Entry
		if items, lines, err = parse(body, strings.Trim(index, "/"), start); err != nil || len(lines) == 0 {
			return err
		}
		return settle(items, h.Sink.Append(r.Context(), "bulk "+r.RemoteAddr, lines))
	})
	if err != nil {
		fail(w, ingest.Status(w.Header(), err), err)
		return
	}
	answer(w, time.Since(start), items)
}

// item is what becomes of an action.
type item struct {
	action, index string
	status        int
	kind, reason  string
}

const maxLine = 1 << 20 // bytes of a document

// parse reads actions and documents. The documents that were taken are the items of status 201, in the same order.
func parse(body []byte, index string, now time.Time) (items []item, lines []entry.Entry, err error) {
	var room ingest.Room
	number := 0
	next := func() (line []byte, ok bool) {
		for len(body) > 0 {
			number++
			line, body, _ = bytes.Cut(body, []byte("\n"))
			if line = bytes.TrimSpace(line); len(line) > 0 {
				return line, true
			}
		}
		return nil, false
	}
	var last []byte
	var action item // what the last one says
	for {
		line, ok := next()
		if !ok {
			return items, lines, nil
		}
		if !bytes.Equal(line, last) { // mostly they are all the same
			if action, err = readAction(line, index); err != nil {
				return nil, nil, fmt.Errorf("%w: line %d: %w", ingest.ErrRefused, number, err)
			}
			last = line
		}
		it := action
		if it.action == "delete" { // has no document
			it.refuse(http.StatusBadRequest, "illegal_argument_exception", "log lines are not deleted")
			items = append(items, it)
			continue
		}
		document, ok := next()
		if !ok {
			return nil, nil, fmt.Errorf("%w: line %d: the action has no document", ingest.ErrRefused, number)
		}
		if e, ok := it.document(document, now); ok {
			if err := room.Take(&e); err != nil {
				return nil, nil, err
			}
			lines = append(lines, e)
		}
		items = append(items, it)
	}
}

// readAction reads {"create": {"_index": "logs"}}.
func readAction(line []byte, index string) (item, error) {
	var actions map[string]struct {
		Index string `json:"_index"`
	}
	if err := json.Unmarshal(line, &actions); err != nil {
		return item{}, fmt.Errorf("an action: %w", err)
	}
	for _, name := range []string{"create", "index", "update", "delete"} {
		if a, ok := actions[name]; ok && len(actions) == 1 {
			if a.Index != "" {
				index = a.Index
			}
			return item{action: name, index: index, status: http.StatusCreated}, nil
		}
	}
	return item{}, fmt.Errorf("%.60q is no action: want one of create, index, update, delete", line)
}

func (it *item) refuse(status int, kind, reason string) {
	it.status, it.kind, it.reason = status, kind, reason
}

// document makes an entry. The index of a document that names no service stands for it.
func (it *item) document(line []byte, now time.Time) (e entry.Entry, ok bool) {
	switch {
	case it.action == "update":
		it.refuse(http.StatusBadRequest, "illegal_argument_exception", "log lines are not changed")
		return e, false
	case len(line) > maxLine:
		it.refuse(http.StatusBadRequest, "document_parsing_exception", "the document is larger than 1 MiB")
		return e, false
	}
	e, err := object.Parse(line)
	if err != nil {
		it.refuse(http.StatusBadRequest, "document_parsing_exception", err.Error())
		return e, false
	}
	if e.Time == 0 {
		e.Time = now.UnixNano()
	}
	if e.Service == "" {
		e.Service = it.index
	} else if it.index != "" {
		e.Attrs = append(e.Attrs, entry.Attr{Name: "_index", Value: it.index})
	}
	return e, true
}

// settle writes what the sink said into the items. A sink that took nothing is an error of the whole request.
func settle(items []item, err error) error {
	some, err := ingest.Partial(err)
	if some == nil {
		return err
	}
	at, dropped := 0, some.Dropped
	for i := range items {
		if items[i].status != http.StatusCreated {
			continue
		}
		if len(dropped) > 0 && dropped[0] == at {
			items[i].refuse(http.StatusTooManyRequests, "es_rejected_execution_exception", some.Reason)
			dropped = dropped[1:]
		}
		at++
	}
	return nil
}
