package shop_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/examples/shop"
)

func TestImpossibleCommandsFail(t *testing.T) {
	for _, args := range [][]string{
		{"--role", "baker"},
		{"--fault", "error=7"},
		{"--role", "checkout", "--catalog", ""},
		{"--listen", "nowhere"},
		{"--unknown"},
	} {
		if err := shop.Command(t.Context(), args, new(bytes.Buffer)); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	var help bytes.Buffer
	if err := shop.Command(t.Context(), []string{"--help"}, &help); !errors.Is(err, flag.ErrHelp) || !strings.Contains(help.String(), "-role") {
		t.Errorf("--help: %v\n%s", err, help.String())
	}
}

func TestEveryRoleServesUntilItIsStopped(t *testing.T) {
	for _, role := range []string{"catalog", "recommendations", "checkout"} {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		var log bytes.Buffer
		if err := shop.Command(ctx, []string{"--role", role, "--listen", "127.0.0.1:0"}, &log); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", role, err)
		}
		if !strings.Contains(log.String(), "role="+role) {
			t.Errorf("%s: log is %q", role, log.String())
		}
	}
}
