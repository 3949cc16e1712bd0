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
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/examples/shop"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, messages io.Writer) error {
	flags := flag.NewFlagSet("shop", flag.ContinueOnError)
	flags.SetOutput(messages)
	role := flags.String("role", "catalog", "catalog, recommendations or checkout")
	listen := flags.String("listen", "127.0.0.1:9001", "address to listen on")
	name := flags.String("name", "", "name of this instance, sent as X-Shop-Instance")
	work := flags.Duration("work", 0, "how long to work for each request")
	faults := flags.String("fault", "", `misbehave from the start, such as "error=0.5,delay=200ms,health=true"`)
	catalog := flags.String("catalog", "http://127.0.0.1:9001", "for checkout: where the catalog is")
	recommendations := flags.String("recommendations", "http://127.0.0.1:9003", "for checkout: where the recommendations are")
	if err := flags.Parse(args); err != nil {
		return err
	}
	fault, err := shop.ParseFault(*faults)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(messages, nil))
	handler, err := service(*role, shop.CheckoutConfig{
		Config:  shop.Config{Name: *name, Work: *work, Fault: fault},
		Catalog: *catalog, Recommendations: *recommendations, Observer: observer(log),
	})
	if err != nil {
		return err
	}
	log.Info("serving", "role", *role, "address", *listen)
	return shop.Serve(ctx, *listen, handler)
}

func service(role string, cfg shop.CheckoutConfig) (http.Handler, error) {
	switch role {
	case "catalog":
		return shop.Catalog(cfg.Config), nil
	case "recommendations":
		return shop.Recommendations(cfg.Config), nil
	case "checkout":
		return shop.Checkout(cfg)
	}
	return nil, fmt.Errorf("--role %q is unknown: use catalog, recommendations or checkout", role)
}

// observer logs when a policy changes its state, such as a breaker that opens.
func observer(log *slog.Logger) gabion.Observer {
	return gabion.ObserverFunc(func(e gabion.Event) {
		if e.Kind == gabion.EventState {
			log.Info("state", "policy", e.Policy, "name", e.Name, "from", e.From, "to", e.To, "why", e.Detail)
		}
	})
}
