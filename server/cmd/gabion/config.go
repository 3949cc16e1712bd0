package main

import (
	"github.com/spf13/cobra"
)

func newConfig(p *program) *cobra.Command {
	var source source
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the values in effect and where each came from",
		Long: `Writes the whole configuration, defaults included, with the origin of each value behind it: a flag, a variable of
the environment, a line of the file, or the default. The output is a valid configuration with the same meaning.
Secrets are shown as references, never as values.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			loaded, err := source.load(p.env)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(p.out, map[string]any{
					"file": loaded.Name, "hash": loaded.Hash, "config": loaded.Values(), "origins": loaded.Origins(),
				})
			}
			return loaded.WriteYAML(p.out)
		},
	}
	source.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON: the values, and their origins by path")
	return cmd
}
