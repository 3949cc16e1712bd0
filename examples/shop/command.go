package shop

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/gabion-io/gabion"
)

// Command serves one service of the shop, as the command line says, until ctx ends.
func Command(ctx context.Context, args []string, messages io.Writer) error {
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
	fault, err := ParseFault(*faults)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(messages, nil))
	handler, err := service(*role, CheckoutConfig{
		Config:  Config{Name: *name, Work: *work, Fault: fault},
		Catalog: *catalog, Recommendations: *recommendations, Observer: observer(log),
	})
	if err != nil {
		return err
	}
	log.Info("serving", "role", *role, "address", *listen)
	return Serve(ctx, *listen, handler)
}

func service(role string, cfg CheckoutConfig) (http.Handler, error) {
	switch role {
	case "catalog":
		return Catalog(cfg.Config), nil
	case "recommendations":
		return Recommendations(cfg.Config), nil
	case "checkout":
		return Checkout(cfg)
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
