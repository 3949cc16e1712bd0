package store_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/store"
)

func newTakers(t *testing.T, take func(kind string, items [][]byte) (int, error)) *bundle {
	log := new(journal)
	b := start(t, log, nil, taker{&part{name: "log", log: log, take: take}}, taker{&part{name: "metric", log: log}})
	b.ready(t)
	log.mu.Lock()
	log.lines = nil
	log.mu.Unlock()
	return b
}

func TestItemsReachTheirPartInOrder(t *testing.T) {
	b := newTakers(t, nil)
	if got := b.send(t, "s", 0, "log=a", "log=b", "metric=c", "log=d"); got != (sent{http.StatusNoContent, "4", "0"}) {
		t.Errorf("%+v", got)
	}
	if got := b.log.text(); got != "log:a,b metric:c log:d" {
		t.Error(got)
	}
	if got := b.send(t, "s", 4); got != (sent{http.StatusNoContent, "4", "0"}) {
		t.Errorf("nothing: %+v", got)
	}
}

func TestWhatIsSentAgainIsTakenOnce(t *testing.T) {
	b := newTakers(t, nil)
	b.send(t, "s", 0, "log=a", "log=b")
	if got := b.send(t, "s", 0, "log=a", "log=b"); got != (sent{http.StatusNoContent, "2", "0"}) {
		t.Errorf("%+v", got)
	}
	b.send(t, "s", 1, "log=b", "log=c") // overlaps
	b.send(t, "s", 9, "log=j")          // a gap: those between were dropped
	b.send(t, "other", 0, "log=A")      // another sender has its own numbers
	if got := b.log.text(); got != "log:a,b log:c log:j log:A" {
		t.Error(got)
	}
}

func TestManySendersAreForgotten(t *testing.T) {
	b := newTakers(t, nil)
	for i := range 17 {
		b.send(t, fmt.Sprint(i), 0, "log=x")
	}
	b.send(t, "16", 0, "log=again") // the last one is known
	b.send(t, "0", 0, "log=twice")  // the first one is not
	if got := strings.Count(b.log.text(), "log:x"); got != 17 || strings.Contains(b.log.text(), "again") || !strings.Contains(b.log.text(), "twice") {
		t.Error(b.log.text())
	}
}

func TestItemsThatAreNotTaken(t *testing.T) {
	var got []string
	fail := true
	b := newTakers(t, func(_ string, items [][]byte) (int, error) {
		for i, item := range items {
			switch text := string(item); {
			case text == "bad":
				return i, fmt.Errorf("%w: it is bad", store.ErrRefused)
			case text == "panic":
				panic("with an item")
			case text == "later" && fail:
				return i, errBroken
			default:
				got = append(got, text)
			}
		}
		return len(items), nil
	})
	items := []string{"log=a", "log=bad", "none=x", "log=b", "log=later", "metric=c"}
	if got := b.send(t, "s", 0, items...); got != (sent{http.StatusServiceUnavailable, "4", "2"}) {
		t.Errorf("%+v", got)
	}
	fail = false
	if got := b.send(t, "s", 0, items...); got != (sent{http.StatusNoContent, "6", "0"}) {
		t.Errorf("%+v", got)
	}
	if text := strings.Join(got, " "); text != "a b later" || b.log.text() != "metric:c" {
		t.Errorf("%s, %s", text, b.log.text())
	}
	if got := b.send(t, "s", 6, "log=panic", "log=d"); got != (sent{http.StatusNoContent, "8", "1"}) {
		t.Errorf("%+v", got)
	}
	if _, body := b.get(store.StatusPath); got[len(got)-1] != "d" || !strings.Contains(body, `"refused":3`) {
		t.Errorf("%v %s", got, body)
	}
}

func TestATakerThatMiscounts(t *testing.T) {
	returns := -1
	b := newTakers(t, func(string, [][]byte) (int, error) { return returns, nil })
	if got := b.send(t, "s", 0, "log=a", "log=b"); got != (sent{http.StatusServiceUnavailable, "0", "0"}) {
		t.Errorf("%+v", got)
	}
	returns = 9
	if got := b.send(t, "s", 0, "log=a", "log=b"); got != (sent{http.StatusNoContent, "2", "0"}) {
		t.Errorf("%+v", got)
	}
}

func TestBadBatches(t *testing.T) {
	b := newTakers(t, nil)
	for first, body := range map[string]string{"": "", "x": "", "-1": "", "9223372036854775808": "", "0": "\x03lo"} {
		if got := b.sendRaw(t, "s", first, []byte(body)); got != (sent{http.StatusBadRequest, "", ""}) {
			t.Errorf("first %q: %+v", first, got)
		}
	}
	if b.log.text() != "" {
		t.Error(b.log.text())
	}
}
