package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/api/client"
	"github.com/gabion-io/gabion/server/view"
	"github.com/spf13/cobra"
)

// admin says which running gateway a command asks.
type admin struct{ address, tokenFile string }

// flags adds the flags that name it.
func (a *admin) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.address, "admin", "",
		"the gateway's admin `address` (default $GABION_GATEWAY_ADMIN or "+client.DefaultAddress+")")
	cmd.Flags().StringVar(&a.tokenFile, "token-file", "", "the `file` with the token of the admin API (default: the token in $GABION_TOKEN)")
}

// client makes the client of the gateway.
func (a *admin) client(env []string) (*client.Client, error) { return a.clientFor(env, 0) }

// clientFor makes one that waits longer for an answer, or not as long; 0: the default.
func (a *admin) clientFor(env []string, timeout time.Duration) (*client.Client, error) {
	token := variable(env, "GABION_TOKEN")
	if a.tokenFile != "" {
		text, err := os.ReadFile(a.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("token: %w", err)
		}
		token = string(text)
	}
	return client.New(client.Config{
		Address: cmp.Or(a.address, variable(env, "GABION_GATEWAY_ADMIN")), Token: strings.TrimSpace(token), Timeout: timeout,
	})
}

// variable is the value of an environment variable; the last one counts.
func variable(env []string, name string) (value string) {
	for _, v := range env {
		if rest, is := strings.CutPrefix(v, name+"="); is {
			value = rest
		}
	}
	return value
}

// terminal says whether a person reads the output, on a screen that can be drawn on.
func (p *program) terminal() bool {
	f, is := p.out.(*os.File)
	if !is || variable(p.env, "TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// style is how text is made for the output.
func (p *program) style() view.Style {
	return view.Style{Color: p.terminal() && variable(p.env, "NO_COLOR") == "", Zone: time.Local}
}

func write(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}
