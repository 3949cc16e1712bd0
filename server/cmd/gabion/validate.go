package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/gabion-io/gabion/server/config"
	"github.com/spf13/cobra"
)

func newValidate(p *program) *cobra.Command {
	var source source
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Find everything that is wrong with a configuration",
		Long: `Reads a configuration with the environment's settings over it, and tells all of its problems at once: where each one
is, what is allowed, and what was probably meant. Exit code 3 when there are any.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			loaded, err := source.load(p.env)
			if asJSON {
				return validateJSON(p.out, source.path, loaded, err)
			}
			if err != nil {
				return err
			}
			f := loaded.File
			fmt.Fprintf(p.out, "%s: valid (%s, %s, %s)\n", loaded.Name,
				count(len(f.Services), "service"), count(len(f.Routes), "route"), count(len(f.Limits), "limit"))
			return nil
		},
	}
	source.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the findings as JSON to standard output")
	return cmd
}

// verdict is what validate writes as JSON.
type verdict struct {
	File     string          `json:"file"`
	Valid    bool            `json:"valid"`
	Hash     string          `json:"hash,omitempty"`
	Findings config.Problems `json:"findings"`
}

func validateJSON(w io.Writer, file string, loaded *config.Loaded, err error) error {
	problems, found := errors.AsType[config.Problems](err)
	if err != nil && !found {
		return err
	}
	v := verdict{File: file, Valid: !found, Findings: config.Problems{}}
	if found {
		v.Findings = problems
	} else {
		v.Hash = loaded.Hash
	}
	if err := writeJSON(w, v); err != nil {
		return err
	}
	if found {
		return errFindings
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
