package main

import (
	"github.com/gabion-io/gabion/server/config"
	"github.com/spf13/cobra"
)

func newSchema(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Write the JSON Schema of the configuration, for editors",
		Long: `Writes the JSON Schema (draft 2020-12) of the configuration. Editors that know the YAML language server use it for
completion after a first line such as:

  # yaml-language-server: $schema=gabion.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = p.out.Write(schema)
			return err
		},
	}
}
