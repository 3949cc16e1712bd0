package app

import (
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/memory"
)

// receivers are the systems that the store sends on to, with their secrets. The error says which one cannot be read.
func receivers(cfg *config.File, s *memory.Settings) (err error) {
	for i, f := range cfg.Metrics.Forward {
		to := memory.Receiver{Labels: f.Labels}
		if err := complete(&to, fmt.Sprintf("metrics.forward[%d]", i), f.URL, f.Access); err != nil {
			return err
		}
		s.Metrics.Forward = append(s.Metrics.Forward, to)
	}
	for i, f := range cfg.Logs.Forward {
		to := memory.Receiver{Protocol: f.Protocol, Where: f.Where}
		if err := complete(&to, fmt.Sprintf("logs.forward[%d]", i), f.URL, f.Access); err != nil {
			return err
		}
		s.Forward.Logs = append(s.Forward.Logs, to)
	}
	for i, f := range cfg.Traces.Forward {
		to := memory.Receiver{}
		if err := complete(&to, fmt.Sprintf("traces.forward[%d]", i), f.URL, f.Access); err != nil {
			return err
		}
		s.Forward.Traces = append(s.Forward.Traces, to)
	}
	return nil
}

// complete fills in the address of a receiver, and what it wants to know.
func complete(to *memory.Receiver, path string, url config.Link, access config.Access) (err error) {
	if to.URL, err = url.Read(); err != nil {
		return fmt.Errorf("%s.url: %w", path, err)
	}
	to.Header = http.Header{}
	for name, value := range access.Header {
		to.Header.Set(name, value)
	}
	if access.Token.IsZero() {
		return nil
	}
	token, err := access.Token.Read()
	if err != nil {
		return fmt.Errorf("%s.token: %w", path, err)
	}
	kind := "Bearer "
	if access.User != "" {
		kind, token = "Basic ", base64.StdEncoding.EncodeToString([]byte(access.User+":"+token))
	}
	to.Header.Set("Authorization", kind+token)
	return nil
}
