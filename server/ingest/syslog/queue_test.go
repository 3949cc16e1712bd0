package syslog

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// slow takes lines when it is allowed to.
type slow struct {
	begun chan []string // the messages that it was given
	allow chan error
}

func (s *slow) Append(_ context.Context, _ string, lines []entry.Entry) error {
	var got []string
	for _, e := range lines {
		got = append(got, e.Message)
	}
	s.begun <- got
	return <-s.allow
}

func (s *slow) want(t *testing.T, want ...string) {
	t.Helper()
	select {
	case got := <-s.begun:
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
	}
}

func TestQueueGivesTogetherWhatCameTogether(t *testing.T) {
	sink := &slow{begun: make(chan []string), allow: make(chan error)}
	s := &Server{Sink: sink}
	q := s.newQueue("p", bounds{lines: 2, bytes: 1 << 20})
	put := func(message string, wait, want bool) {
		t.Helper()
		if q.put(entry.Entry{Message: message}, wait) != want {
			t.Errorf("%s is %v", message, !want)
		}
	}
	put("1", false, true)
	sink.want(t, "1")
	put("2", false, true)
	put("3", false, true)
	put("4", false, false) // no room
	done := make(chan bool)
	go func() { done <- q.put(entry.Entry{Message: "5"}, true) }()
	select {
	case <-done:
		t.Error("it does not wait for room")
	case <-time.After(20 * time.Millisecond):
	}
	sink.allow <- nil
	sink.want(t, "2", "3")
	if !<-done {
		t.Error("it waited in vain")
	}
	sink.allow <- nil
	sink.want(t, "5")
	go func() { q.end(); close(done) }()
	sink.allow <- context.Canceled
	<-done
	if got, want := s.Counts(), (Counts{Taken: 3, Dropped: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	sink := &slow{begun: make(chan []string), allow: make(chan error)}
	q := (&Server{Sink: sink}).newQueue("p", bounds{lines: 100, bytes: 1000})
	q.put(entry.Entry{Message: "1"}, false)
	sink.want(t, "1")
	large := entry.Entry{Message: string(make([]byte, 2000))}
	if !q.put(large, false) || q.put(entry.Entry{}, false) {
		t.Error("one that is too large goes alone")
	}
	sink.allow <- nil
	sink.want(t, large.Message)
	sink.allow <- nil
	q.end()
}
