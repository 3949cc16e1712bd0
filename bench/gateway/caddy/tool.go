// Package caddy pins the version of Caddy that the gateway is measured beside.
package caddy
