package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gabion-io/gabion/server/config"
	"github.com/spf13/cobra"
)

// source is where a command takes its configuration from.
type source struct {
	path string
	set  settings
}

// flags adds the flags that name the source.
func (s *source) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.path, "config", "c", config.DefaultPath, "the configuration `file`")
	cmd.Flags().Var(&s.set, "set", "set a `key=value` over the file and the environment, such as gateway.drain=5s; may be repeated")
	if err := cmd.MarkFlagFilename("config", "yaml", "yml"); err != nil {
		panic(err) // the flag was added three lines above
	}
}

func (s *source) load(env []string) (*config.Loaded, error) {
	return config.Load(s.path, env, s.set)
}

// settings are the --set flags.
type settings []config.Flag

// Set reads KEY=VALUE.
func (s *settings) Set(text string) error {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return errors.New("write it as key=value, such as gateway.drain=5s")
	}
	*s = append(*s, config.Flag{Name: "--set " + key, Path: key, Value: value})
	return nil
}

// String writes them as they were given.
func (s *settings) String() string {
	var all []string
	for _, f := range *s {
		all = append(all, fmt.Sprintf("%s=%s", f.Path, f.Value))
	}
	return strings.Join(all, ",")
}

// Type is what the help shows.
func (s *settings) Type() string { return "key=value" }
