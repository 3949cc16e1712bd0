package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// shop is the processes of the little system behind the gateway.
type shop struct {
	binary string
	parts  map[string]*part
	order  []string
}

// part is one process.
type part struct {
	name, role, address string
	needs               []string // flags that say where others are
	cmd                 *exec.Cmd
	gone                chan struct{} // closed when the process has ended
}

// openShop starts the shop on free loopback ports.
func openShop(ctx context.Context, opt Options) (*shop, error) {
	s := &shop{binary: opt.Binary, parts: map[string]*part{}}
	for _, p := range []*part{
		{name: "catalog-1", role: "catalog"},
		{name: "catalog-2", role: "catalog"},
		{name: "catalog-standby", role: "catalog"},
		{name: "recommendations", role: "recommendations"},
		{name: "checkout", role: "checkout"},
	} {
		var err error
		if p.address, err = freeAddress(ctx); err != nil {
			return nil, err
		}
		s.parts[p.name] = p
		s.order = append(s.order, p.name)
	}
	// The checkout asks the others through the gateway too.
	s.parts["checkout"].needs = []string{"--catalog", "http://" + opt.Listen, "--recommendations", "http://" + opt.Listen}
	for _, name := range s.order {
		if err := s.start(ctx, s.parts[name]); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// freeAddress finds a loopback port that nobody uses.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// start starts a part and waits until it is healthy.
func (s *shop) start(ctx context.Context, p *part) error {
	args := append([]string{"shop", "--role", p.role, "--listen", p.address}, p.needs...)
	p.cmd = exec.CommandContext(ctx, s.binary, args...)
	p.cmd.SysProcAttr = attributes()
	if _, err := p.cmd.StdinPipe(); err != nil { // nothing is written: it ends when this process does, and then the part does
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	p.gone = make(chan struct{})
	go func() {
		defer close(p.gone)
		_ = p.cmd.Wait() // a killed process is no error here
	}()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		if err := ask(ctx, http.MethodGet, "http://"+p.address+"/healthz", ""); err == nil {
			return nil
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%s does not get healthy", p.name)
		}
	}
}

// close ends all parts.
func (s *shop) close() {
	for _, p := range s.parts {
		if p.gone == nil {
			continue
		}
		if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			fmt.Fprintf(os.Stderr, "%s: %v\n", p.name, err)
		}
		<-p.gone
	}
}

// A breaking is what goes wrong in a chapter.
type breaking = func(context.Context) (repair func(context.Context) error, err error)

// kill ends a part with SIGKILL; the repair starts it again.
func (s *shop) kill(name string) breaking {
	return func(context.Context) (func(context.Context) error, error) {
		p := s.parts[name]
		if err := p.cmd.Process.Kill(); err != nil {
			return nil, err
		}
		<-p.gone
		return func(ctx context.Context) error { return s.start(ctx, p) }, nil
	}
}

// freeze stops a part with SIGSTOP; the repair lets it go on.
func (s *shop) freeze(name string) breaking {
	return func(context.Context) (func(context.Context) error, error) {
		process := s.parts[name].cmd.Process
		if err := process.Signal(syscall.SIGSTOP); err != nil {
			return nil, err
		}
		return func(context.Context) error { return process.Signal(syscall.SIGCONT) }, nil
	}
}

// fail lets a part answer everything with errors.
func (s *shop) fail(name string) breaking {
	return func(ctx context.Context) (func(context.Context) error, error) {
		url := "http://" + s.parts[name].address + "/fault"
		if err := ask(ctx, http.MethodPost, url, `{"error": 1}`); err != nil {
			return nil, err
		}
		return func(ctx context.Context) error {
			return ask(ctx, http.MethodPost, url, `{}`)
		}, nil
	}
}

// ask sends a request with a deadline and wants a 2xx answer.
func ask(ctx context.Context, method, url, body string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}

// gatewayConfig is the gabion.yaml of the shop.
func (s *shop) gatewayConfig(opt Options, dir string) string {
	replace := []string{"LISTEN", opt.Listen, "ADMIN", opt.Admin, "DATA", filepath.Join(dir, "data")}
	for _, name := range []string{"catalog-standby", "catalog-1", "catalog-2", "recommendations", "checkout"} {
		replace = append(replace, "<"+name+">", "http://"+s.parts[name].address)
	}
	return strings.NewReplacer(replace...).Replace(gatewayYAML)
}

const gatewayYAML = `# The demo's configuration. Change it while the demo runs: it is read again.
gateway:
  listen: "LISTEN"
  admin: "ADMIN"
data: DATA

services:
  catalog:
    endpoints: [<catalog-1>, <catalog-2>]
    standby: [<catalog-standby>]
    health:
      active: {path: /healthz, interval: 500ms, timeout: 250ms}
      slow_start: 2s
    timeout: {total: 3s, attempt: 400ms}
    breaker: {open_for: 2s}
  reports:                 # the same processes, with more time for each request
    endpoints: [<catalog-1>, <catalog-2>]
    timeout: {total: 5s, attempt: 5s}
  recommendations:
    endpoints: [<recommendations>]
    timeout: {total: 1s, attempt: 300ms}
    breaker: {open_for: 1s}
    fallback:
      - respond: {status: 200, json: {items: [], degraded: true}}
  checkout:
    endpoints: [<checkout>]
    timeout: {total: 3s, attempt: 2s}

routes:
  - {name: product, match: {path: "/product/{id}", methods: [GET]}, service: catalog, identity: [header:X-Api-Key, ip], limits: [per-customer]}
  - {name: products, match: {path: /products, methods: [GET]}, service: catalog, identity: [header:X-Api-Key, ip], limits: [per-customer]}
  - {name: report, match: {path: /report, methods: [GET]}, service: reports, identity: [header:X-Api-Key, ip], limits: [per-customer, server-time]}
  - {name: recommendations, match: {path: "/recommendations/{id}", methods: [GET]}, service: recommendations, identity: [header:X-Api-Key, ip], limits: [per-customer]}
  - {name: checkout, match: {path: /checkout, methods: [POST]}, service: checkout, identity: [header:X-Api-Key, ip], limits: [per-customer]}

limits:
  per-customer: {key: identity, requests: 50/s, burst: 100}
  server-time: {key: identity, server_time: 5s/10s, concurrency: 20}
`
