package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/gcra"
)

// The bounds of [words].
const (
	wordsLine  = 16 << 10 // bytes of a line; longer ones are not kept
	wordsKinds = 256      // messages that are told apart
)

var (
	// wordsEach bounds lines with the same message: ten at once, and then ten a minute.
	wordsEach = gcra.Count(10, time.Minute, 10)
	// wordsAll bounds all of them.
	wordsAll = gcra.Count(10, time.Second, 500)
)

// words passes on what the store process writes, and gives the lines of its log to be kept with those of the gateway: they
// go back to the store, which would be the wrong place to keep them from by itself, since what it says last is what one
// wants to read after it died.
//
// It must not become a circle, in which a line that could not be kept makes a line that says so. So the same message is given
// on a few times a minute only, whatever its attributes. The next line says how many there were between, in the attribute
// left_out.
type words struct {
	to  io.Writer
	put func(line []byte)

	mu    sync.Mutex
	line  []byte // that is being written
	long  bool   // it is longer than allowed
	all   gabion.Instant
	kinds map[string]*kindOfWord
}

// kindOfWord is what is known of a message.
type kindOfWord struct {
	full    gabion.Instant
	leftOut int
}

// Write implements [io.Writer].
func (w *words) Write(b []byte) (int, error) {
	w.mu.Lock()
	for line := range bytes.Lines(b) {
		if w.long = w.long || len(w.line)+len(line) > wordsLine; !w.long {
			w.line = append(w.line, line...)
		}
		if line[len(line)-1] != '\n' {
			break
		}
		if !w.long {
			w.give(gabion.Now(), bytes.TrimSpace(w.line))
		}
		w.line, w.long = w.line[:0], false
	}
	w.mu.Unlock()
	return w.to.Write(b)
}

// give gives on a line, if it is one of the log and there is room for it. The lock is held.
func (w *words) give(now gabion.Instant, line []byte) {
	var about struct {
		Msg string `json:"msg"`
	}
	if json.Unmarshal(line, &about) != nil || len(line) < 2 || line[0] != '{' {
		return
	}
	kind := w.kinds[about.Msg]
	if kind == nil {
		if len(w.kinds) >= wordsKinds || w.kinds == nil {
			w.kinds = map[string]*kindOfWord{} // all together are bounded, too
		}
		kind = new(kindOfWord)
		w.kinds[about.Msg] = kind
	}
	each, wait := wordsEach.Take(kind.full, now, 1)
	all, waitAll := wordsAll.Take(w.all, now, 1)
	if wait > 0 || waitAll > 0 {
		kind.leftOut++
		return
	}
	kind.full, w.all = each, all
	if kind.leftOut > 0 {
		line = fmt.Appendf(line[:len(line)-1:len(line)-1], `,"left_out":%d}`, kind.leftOut)
		kind.leftOut = 0
	}
	w.put(line)
}
