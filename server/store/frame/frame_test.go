package frame_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/store/frame"
)

func TestRoundTrip(t *testing.T) {
	items := []struct{ kind, payload string }{
		{"log", "one"}, {"k", ""}, {strings.Repeat("k", frame.MaxKind), strings.Repeat("x", 127)}, {"metric", strings.Repeat("y", 70_000)},
	}
	var body []byte
	size := 0
	for _, item := range items {
		body = frame.Append(body, item.kind, []byte(item.payload))
		size += frame.Size(item.kind, []byte(item.payload))
	}
	if size != len(body) {
		t.Errorf("Size says %d, it is %d", size, len(body))
	}
	for _, item := range items {
		kind, payload, rest, err := frame.Cut(body)
		if err != nil || string(kind) != item.kind || string(payload) != item.payload {
			t.Fatalf("%q %q %v", kind, payload, err)
		}
		body = rest
	}
	if len(body) != 0 {
		t.Errorf("%d bytes are left", len(body))
	}
}

func TestMalformed(t *testing.T) {
	whole := frame.Append(nil, "log", []byte("payload"))
	bad := [][]byte{
		frame.Append(nil, "", []byte("x")),
		frame.Append(nil, strings.Repeat("k", frame.MaxKind+1), nil),
		bytes.Repeat([]byte{0xff}, 12),
		{3, 'l', 'o', 'g', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, // a length of 2⁶⁴-1
	}
	for n := range whole {
		bad = append(bad, whole[:n])
	}
	for _, b := range bad {
		if _, _, _, err := frame.Cut(b); !errors.Is(err, frame.ErrMalformed) {
			t.Errorf("%q: %v", b, err)
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add(frame.Append(frame.Append(nil, "log", []byte("a")), "metric", nil))
	f.Add([]byte{1, 'k', 0x80, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			kind, payload, rest, err := frame.Cut(b)
			if err != nil {
				return
			}
			if len(rest) >= len(b) {
				t.Fatal("no progress")
			}
			again, same, none, err := frame.Cut(frame.Append(nil, string(kind), payload))
			if err != nil || !bytes.Equal(again, kind) || !bytes.Equal(same, payload) || len(none) != 0 {
				t.Fatalf("%q %q: %v", kind, payload, err)
			}
			b = rest
		}
	})
}
