package main

import (
	"fmt"
	"strings"

	"github.com/gabion-io/gabion/server/config"
	"github.com/spf13/cobra"
)

func newExplain(p *program) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain [KEY]",
		Short: "Say what a key of the configuration means",
		Long: `Says what a key means, what it takes, its default, and shows an example. KEY is a path, or the end of one:
services.catalog.breaker.window, breaker.window and breaker all work. Without KEY, the keys at the top are listed.`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return keyPaths(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			query := strings.Join(args, "")
			if !asJSON {
				return config.Explain(p.out, query)
			}
			if query == "" {
				return writeJSON(p.out, config.AllKeys())
			}
			keys, err := config.Find(query)
			if err != nil {
				return err
			}
			return writeJSON(p.out, keys[0])
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON: the key with all keys below it")
	return cmd
}

// keyPaths are the words that complete `gabion explain`.
func keyPaths() []string {
	var paths []string
	for _, k := range config.Flatten(config.AllKeys()) {
		paths = append(paths, fmt.Sprintf("%s\t%s", strings.ReplaceAll(k.Path, ".*", ""), k.Doc))
	}
	return paths
}
