// Command lokiclient sends lines with Loki's own client library for Go: lokiclient URL SERVICE LINE...
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/grafana/loki-client-go/loki"
	"github.com/prometheus/common/model"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url, service string, lines []string) error {
	cfg, err := loki.NewDefaultConfig(url)
	if err != nil {
		return err
	}
	cfg.BatchWait = 50 * time.Millisecond
	client, err := loki.New(cfg)
	if err != nil {
		return err
	}
	defer client.Stop() // it sends what it has
	for i, line := range lines {
		set := model.LabelSet{"service": model.LabelValue(service), "level": "info", "color": model.LabelValue(fmt.Sprint("c", i))}
		if err := client.Handle(set, time.Now(), line); err != nil {
			return err
		}
	}
	return nil
}
