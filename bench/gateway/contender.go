package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// contender is one program under its own configuration. In config and command, DIR stands for its directory, PORT
// for its port, ADMIN for a port beside it, BACKEND_A and BACKEND_B for the addresses of the backend.
type contender struct {
	name string
	// features is what is switched on.
	features     string
	port         int
	file, config string
	command      []string
}

// backend is what all proxy to. It serves the same on its own port and on the other.
var backend = contender{
	name: "backend", port: freePort(), file: "backend.conf", config: backendConf,
	command: []string{"nginx", "-p", "DIR", "-c", "backend.conf"},
}

// The ports of a run that no contender answers on.
var backendPort, adminPort = freePort(), freePort()

// freePort is a loopback port that nobody listened on a moment ago.
func freePort() int {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0 // whoever is to listen there says what is wrong
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// contenders builds what must be built and returns those whose name contains a word of the list only.
func contenders(ctx context.Context, dir, gabion, only string) ([]contender, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	caddy := filepath.Join(dir, "caddy")
	all := []contender{
		{
			name: "Gabion", file: "gabion.yaml", config: gabionYAML, command: []string{gabion, "run", "-c", "gabion.yaml"},
			features: "routing, health checks, balancing, breakers, retries, limits by count and server time, access log, metrics",
		},
		{name: "ReverseProxy, tuned", features: "nothing", command: []string{self, "-reverseproxy", "127.0.0.1:PORT,BACKEND_A"}},
		{
			name: "Caddy", file: "Caddyfile", config: caddyfile, features: "access log, metrics",
			command: []string{caddy, "run", "--config", "Caddyfile", "--adapter", "caddyfile"},
		},
		{
			name: "nginx", file: "proxy.conf", config: nginxProxy, features: "access log",
			command: []string{"nginx", "-p", "DIR", "-c", "proxy.conf"},
		},
		{name: "HAProxy", file: "haproxy.cfg", config: haproxyCfg, features: "nothing", command: []string{"haproxy", "-db", "-f", "haproxy.cfg"}},
	}
	var chosen []contender
	for _, c := range all {
		c.port = freePort()
		if slices.ContainsFunc(strings.Split(only, ","), func(part string) bool { return strings.Contains(strings.ToLower(c.name), strings.ToLower(part)) }) {
			chosen = append(chosen, c)
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-C", "gateway/caddy", "-o", caddy, "github.com/caddyserver/caddy/v2/cmd/caddy")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building caddy: %w\n%s", err, out)
	}
	return chosen, nil
}

// fill puts the run's directory and addresses into a text.
func (c contender) fill(text, dir string) string {
	return strings.NewReplacer(
		"DIR", dir, "PORT", strconv.Itoa(c.port), "ADMIN", strconv.Itoa(adminPort),
		"BACKEND_A", fmt.Sprintf("127.0.0.1:%d", backend.port), "BACKEND_B", fmt.Sprintf("127.0.0.1:%d", backendPort),
	).Replace(text)
}

// The others keep no metrics and no logs either.
const gabionYAML = `gateway: {listen: "127.0.0.1:PORT", admin: "127.0.0.1:ADMIN"}
data: off
services:
  backend:
    endpoints: [http://BACKEND_A, http://BACKEND_B]
    health:
      active: {path: /health, interval: 1s}
routes:
  - {name: api, match: {path: /api/}, service: backend}
  - {name: item, match: {path: "/item/{id}", methods: [GET]}, service: backend, limits: [per-user, time]}
  - {name: rest, match: {path: /}, service: backend, limits: [per-user, time]}
limits:
  per-user: {key: ip, requests: 1000000/s, burst: 1000000}
  time: {key: ip, server_time: 1000s/s, concurrency: 100000}
`

const nginxProxy = `worker_processes 1;
daemon off;
pid DIR/nginx-proxy.pid;
error_log DIR/nginx-proxy.err;
events { worker_connections 4096; }
http {
  access_log DIR/nginx-proxy.log combined buffer=64k;
  client_body_temp_path DIR/t1; proxy_temp_path DIR/t2; fastcgi_temp_path DIR/t3; uwsgi_temp_path DIR/t4; scgi_temp_path DIR/t5;
  keepalive_requests 1000000;
  upstream backend { server BACKEND_A; server BACKEND_B; keepalive 256; }
  server {
    listen 127.0.0.1:PORT;
    location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; }
  }
}
`

const haproxyCfg = `global
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  option http-keep-alive
frontend front
  bind 127.0.0.1:PORT
  default_backend back
backend back
  http-reuse always
  server a BACKEND_A
  server b BACKEND_B
`

const caddyfile = `{
	admin off
	auto_https off
	metrics
}
http://127.0.0.1:PORT {
	log {
		output file DIR/caddy.log
	}
	reverse_proxy BACKEND_A BACKEND_B {
		transport http {
			keepalive_idle_conns_per_host 1024
		}
	}
}
`

const backendConf = `worker_processes 1;
daemon off;
pid DIR/backend.pid;
error_log DIR/backend.err;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path DIR/b1; proxy_temp_path DIR/b2; fastcgi_temp_path DIR/b3; uwsgi_temp_path DIR/b4; scgi_temp_path DIR/b5;
  keepalive_requests 1000000;
  server {
    listen BACKEND_A;
    listen BACKEND_B;
    location / { default_type application/json; return 200 '{"id":4711,"name":"a product","price":"12.50","stock":17,"description":"two hundred bytes of text, more or less, so that the answer has the size of a small API answer, as most answers have, padded"}'; }
  }
}
`
