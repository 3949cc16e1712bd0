package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"time"

	"github.com/gabion-io/gabion/internal/spool"
)

// maxLine is how long a line may be that Gabion takes, in bytes.
const maxLine = 1 << 20

// sender brings lines to Gabion.
type sender struct {
	config Config
	spool  *spool.Spool[[]byte]
	target spool.Target

	// Of the goroutine that sends.
	missed uint64 // lines of which Gabion was told that they are missing
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
	}
	// Another system in place of Gabion may answer as it likes: then nothing was refused.
	_ = json.Unmarshal(answer, &result)
	return result.Refused, nil
}

// gap writes a line about lines that are missing.
func (s *sender) gap(to io.Writer, lost uint64) {
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines are missing here", 0)
	r.AddAttrs(slog.Uint64("dropped", lost))
	// A buffer does not fail.
	_ = slog.NewJSONHandler(to, nil).WithAttrs(s.config.origin()).Handle(context.Background(), r)
}

// told tells people, by the other handler, that lines do not get through, and when they do again.
func (s *sender) told(err error) {
	next := s.config.Next
	level, message := slog.LevelWarn, "Gabion does not take the log: lines are kept while there is room"
	if err == nil {
		level, message = slog.LevelInfo, "Gabion takes the log again"
	}
	if next == nil || !next.Enabled(context.Background(), level) {
		return
	}
	c := s.spool.Counts()
	r := slog.NewRecord(time.Now(), level, message, 0)
	r.AddAttrs(slog.Int("buffered", c.Buffered), slog.Uint64("dropped", c.Dropped))
	if err != nil {
		r.AddAttrs(slog.String("error", err.Error()))
	}
	// Who cannot write a log cannot be told.
	_ = next.Handle(context.Background(), r)
}
