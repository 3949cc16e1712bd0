package main

import (
	"github.com/gabion-io/gabion/server/app"
	"github.com/gabion-io/gabion/server/memory"
	"github.com/gabion-io/gabion/server/store"
	"github.com/spf13/cobra"
)

// newStore is the process that keeps metrics and logs. It is hidden: the gateway starts it, and tells it everything over
// standard input.
func newStore(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "store", Hidden: true, Short: "Keep metrics and logs for the gateway that starts this", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := app.Logger(p.err).With("process", "store")
			return store.Run(cmd.Context(), store.Config{In: p.in, Log: log, Parts: memory.Parts})
		},
	}
}
