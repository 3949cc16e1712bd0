package backend

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/payload"
)

// Kind says what a line of the journal is about.
type Kind string

// The kinds of entries.
const (
	Arrival   Kind = "arrival"   // a request came
	Execution Kind = "execution" // it was executed, right before the answer
	Health    Kind = "health"    // somebody asked for /healthz
)

// Entry is a line of the journal.
type Entry struct {
	Kind   Kind
	At     time.Time
	Method string
	// ID is the request's id, "-" when it had none.
	ID string
	// Attempt is what the gateway's X-Gabion-Attempt says, 0 when there is none.
	Attempt int
}

// note writes a line. One write to a file opened for appending is whole and survives the process.
func (s *service) note(kind Kind, r *http.Request) {
	id := r.Header.Get(payload.ID)
	if id == "" {
		id = "-"
	}
	attempt, err := strconv.Atoi(r.Header.Get("X-Gabion-Attempt"))
	if err != nil {
		attempt = 0
	}
	if _, err := fmt.Fprintf(s.journal, "%s %d %s %s %d\n", kind, time.Now().UnixNano(), r.Method, id, attempt); err != nil {
		panic(err) // A disk that is full must not look like a request that never came.
	}
}

// Journal is what the backend has written down since it was first started, over all its lives.
func (b *Backend) Journal(t testing.TB) []Entry {
	t.Helper()
	file, err := os.Open(b.journal)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []Entry
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		entry, err := parse(lines.Text())
		if err != nil {
			t.Fatalf("journal of %s: %v", b.name, err)
		}
		all = append(all, entry)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func parse(line string) (Entry, error) {
	fields := strings.Fields(line)
	if len(fields) != 5 {
		return Entry{}, fmt.Errorf("line %q has %d fields", line, len(fields))
	}
	at, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return Entry{}, err
	}
	attempt, err := strconv.Atoi(fields[4])
	if err != nil {
		return Entry{}, err
	}
	return Entry{Kind: Kind(fields[0]), At: time.Unix(0, at), Method: fields[2], ID: fields[3], Attempt: attempt}, nil
}

// Arrivals counts the requests that came, the health page not counted.
func Arrivals(t testing.TB, backends ...*Backend) (n int) {
	t.Helper()
	for _, b := range backends {
		for _, e := range b.Journal(t) {
			if e.Kind == Arrival {
				n++
			}
		}
	}
	return n
}

// Twice gives the ids of requests with that method that were executed more than once.
func Twice(t testing.TB, method string, backends ...*Backend) (ids []string) {
	t.Helper()
	seen := map[string]int{}
	for _, b := range backends {
		for _, e := range b.Journal(t) {
			if e.Kind != Execution || e.Method != method || e.ID == "-" {
				continue
			}
			if seen[e.ID]++; seen[e.ID] == 2 {
				ids = append(ids, e.ID)
			}
		}
	}
	return ids
}
