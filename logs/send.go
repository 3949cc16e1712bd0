package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/spool"
)

// maxLine is how long a line may be that Gabion takes, in bytes.
const maxLine = 1 << 20

// complainEvery bounds how often people are told that lines are refused.
const complainEvery = time.Minute

// sender brings lines to Gabion.
type sender struct {
	config Config
	spool  *spool.Spool[[]byte]
	target spool.Target

	// Of the goroutine that sends.
	complained gabion.Instant // that lines are refused; 0: not yet
	missed     uint64         // lines of which Gabion was told that they are missing
}

func newSender(cfg Config) *sender {
	s := &sender{config: cfg, target: spool.Target{
		Transport: cfg.Transport, URL: cfg.URL, Header: cfg.Header, Gzip: cfg.Gzip,
	}}
	s.spool = spool.New(spool.Config[[]byte]{
		Send: s.send, Told: s.told, Max: cfg.Buffer, Batch: cfg.Batch, Every: cfg.Every, Timeout: cfg.Timeout,
	})
	return s
}

// Write takes a line. It is called by the encoder, under its lock, and never fails.
func (s *sender) Write(line []byte) (int, error) {
	size := len(line)
	if size > maxLine {
		size = s.config.Buffer // which is too large for the spool, so it is counted
	}
	s.spool.Put(bytes.Clone(line), 1, size)
	return len(line), nil
}

// send posts a batch.
func (s *sender) send(ctx context.Context, batch [][]byte) (refused int, err error) {
	var body bytes.Buffer
	for _, line := range batch {
		body.Write(line)
	}
	dropped := s.spool.Counts().Dropped
	if lost := dropped - s.missed; lost > 0 {
		s.gap(&body, lost)
	}
	answer, err := s.target.Post(ctx, "application/x-ndjson", body.Bytes())
	if err != nil {
		return 0, err
	}
	s.missed = dropped
	var result struct {
		Refused int `json:"refused"`
		Errors  []struct {
			Reason string `json:"reason"`
		} `json:"errors"`
	}
	// Another system in place of Gabion may answer as it likes: then nothing was refused.
	_ = json.Unmarshal(answer, &result)
	if now := gabion.Now(); result.Refused > 0 && len(result.Errors) > 0 && (s.complained == 0 || now-s.complained >= complainEvery) {
		s.complained = now
		s.say(slog.LevelWarn, "Gabion refuses lines of the log", slog.Int("lines", result.Refused), slog.String("error", result.Errors[0].Reason))
	}
	return result.Refused, nil
}

// gap writes a line about lines that are missing.
func (s *sender) gap(to io.Writer, lost uint64) {
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines are missing here", 0)
	r.AddAttrs(slog.Uint64("dropped", lost))
	// A buffer does not fail.
	_ = slog.NewJSONHandler(to, nil).WithAttrs(s.config.origin()).Handle(context.Background(), r)
}

// told tells people that lines do not get through, and when they do again.
func (s *sender) told(err error) {
	c := s.spool.Counts()
	attrs := []slog.Attr{slog.Int("buffered", c.Buffered), slog.Uint64("dropped", c.Dropped)}
	if err != nil {
		s.say(slog.LevelWarn, "Gabion does not take the log: lines are kept while there is room", append(attrs, slog.String("error", err.Error()))...)
		return
	}
	s.say(slog.LevelInfo, "Gabion takes the log again", attrs...)
}

// say tells people something by the other handler.
func (s *sender) say(level slog.Level, message string, attrs ...slog.Attr) {
	next, ctx := s.config.Next, context.Background()
	if next == nil || !next.Enabled(ctx, level) {
		return
	}
	r := slog.NewRecord(time.Now(), level, message, 0)
	r.AddAttrs(attrs...)
	// Who cannot write a log cannot be told.
	_ = next.Handle(ctx, r)
}
