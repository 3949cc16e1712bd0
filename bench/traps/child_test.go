package traps

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// childEnv names what a process of its own is to do: what may bring the process down.
const childEnv = "GABION_TRAP"

// children are what such processes do.
var children = map[string]func(context.Context){
	"panic in hystrix-go": func(ctx context.Context) {
		defer func() { recover() }()
		f := newHystrix(breakFor)
		f.run(ctx, func(context.Context) error { panic("in a call") })
	},
}

// crashes says whether the process that does this goes down.
func crashes(t *testing.T, name string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%s: %v", name, ctx.Err())
	}
	return err != nil
}
