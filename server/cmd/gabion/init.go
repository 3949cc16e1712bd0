package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gabion-io/gabion/server/config"
	"github.com/spf13/cobra"
)

func newInit(p *program) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a commented configuration to start from",
		Long:  "Writes a commented configuration to start from. A file that exists is never overwritten.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if path == "-" {
				_, err := p.out.Write(config.Starter)
				return err
			}
			if err := create(path, config.Starter); err != nil {
				return err
			}
			fmt.Fprintf(p.err, "Wrote %s. Put the address of your service into it, then: gabion validate -c %s\n", path, path)
			return nil
		},
	}
	cmd.Flags().StringVarP(&path, "output", "o", config.DefaultPath, "the `file` to write; - for standard output")
	return cmd
}

// create writes a new file. It leaves nothing behind when that fails.
func create(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it holds no secrets, only references
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists and is not overwritten; choose another name with -o FILE", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
