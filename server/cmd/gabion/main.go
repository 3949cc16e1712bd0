// Command gabion is Gabion's one binary. Each command has a file of its own.
//
// Results go to standard output, messages to standard error. The exit code is 0 when all went well, 1 after an error, 2
// after a mistake on the command line, 3 when a configuration has problems, 5 when declared behaviour was not met.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/demo"
	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK       = 0
	exitError    = 1
	exitUsage    = 2
	exitFindings = 3
	exitNotMet   = 5
)

// program is the surroundings of a command, so that a test can give it others.
type program struct {
	in       io.Reader
	out, err io.Writer
	env      []string
	// started is set when the command line was right and the command itself began.
	started bool
}

func main() {
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Environ()}
	os.Exit(p.execute(context.Background(), os.Args[1:]))
}

// execute runs the command that args name and returns the exit code.
func (p *program) execute(ctx context.Context, args []string) int {
	root := newRoot(p)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	problems, found := errors.AsType[config.Problems](err)
	_, misused := errors.AsType[usageError](err)
	switch {
	case err == nil:
		return exitOK
	case found:
		fmt.Fprintf(p.err, "%v\n\n%s\n", problems, count(len(problems), "problem"))
		return exitFindings
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.Is(err, demo.ErrNotHeld):
		fmt.Fprintf(p.err, "gabion: %v\n", err)
		return exitNotMet
	case !p.started || misused:
		fmt.Fprintf(p.err, "gabion: %v\nRun `%s --help` for what it takes.\n", err, command.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(p.err, "gabion: %v\n", err)
		return exitError
	}
}

// errFindings ends a command with exit code 3 that has told its findings already.
var errFindings = errors.New("there are findings")

// newRoot makes the command line.
func newRoot(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:   "gabion",
		Short: "Gabion keeps backend services answering when their parts fail",
		Long: `Gabion fronts backend services and keeps them answering when their parts fail: health checks, retries, circuit
breakers, limits and fallbacks, told in one file.

Start with:  gabion init && gabion validate`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(*cobra.Command, []string) error { p.started = true; return nil },
	}
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.AddCommand(
		newRun(p), newStore(p), newDemo(p), newShop(p), newInit(p), newValidate(p), newExplain(p), newConfig(p), newSchema(p),
		newStatus(p), newTop(p), newQuery(p), newLogs(p), newVersion(p),
	)
	return root
}

// count is a number of things: "1 route", "2 routes".
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
