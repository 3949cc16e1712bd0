package main

import (
	"github.com/gabion-io/gabion/server/view"
	"github.com/spf13/cobra"
)

func newStatus(p *program) *cobra.Command {
	var admin admin
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how a running gateway is: endpoints, breakers, limits, what happened",
		Long: `Asks a running gateway's admin API and shows the whole picture: services and their endpoints with state and reason,
breakers, routes, limits, the configuration in force and the last events. Times are local; in JSON they are in UTC.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := admin.client(p.env)
			if err != nil {
				return err
			}
			defer c.Close()
			report, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(p.out, report)
			}
			return write(p.out, view.Status(report, p.style()))
		},
	}
	admin.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}
