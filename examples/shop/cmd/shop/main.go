// Command shop runs one service of the example shop.
//
//	shop --role catalog         --listen 127.0.0.1:9001
//	shop --role recommendations --listen 127.0.0.1:9003 --fault error=1
//	shop --role checkout        --listen 127.0.0.1:9004 --catalog http://127.0.0.1:9001 --recommendations http://127.0.0.1:9003
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/gabion-io/gabion/examples/shop"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := shop.Command(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}
