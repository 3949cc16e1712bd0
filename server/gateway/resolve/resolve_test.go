package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFixed(t *testing.T) {
	for text, want := range map[string]string{
		"http://10.0.0.1":          "10.0.0.1:80",
		"h2c://10.0.0.1":           "10.0.0.1:80",
		"https://10.0.0.1":         "10.0.0.1:443",
		"http://10.0.0.1:9001":     "10.0.0.1:9001",
		"http://[::1]:9001":        "[::1]:9001",
		"http://localhost:9001":    "localhost:9001",
		"http://LocalHost.":        "LocalHost.:80",
		"http://a.localhost":       "a.localhost:80",
		"http://catalog.internal":  "",
		"http://notlocalhost:9001": "",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := Fixed(u); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, want %q", text, got, ok, want)
		}
	}
}

type answers struct {
	ips []string
	err error
}

func (a answers) LookupNetIP(ctx context.Context, network, _ string) (found []netip.Addr, err error) {
	if network != "ip" {
		return nil, errors.New("not asked for both families")
	}
	if _, bounded := ctx.Deadline(); !bounded {
		return nil, errors.New("no deadline")
	}
	for _, text := range a.ips {
		found = append(found, netip.MustParseAddr(text))
	}
	return found, a.err
}

func TestLookup(t *testing.T) {
	for _, tt := range []struct {
		name  string
		found []string
		want  []string
	}{
		{"sorted, each once", []string{"10.0.0.2", "10.0.0.1", "10.0.0.2"}, []string{"10.0.0.1", "10.0.0.2"}},
		{"IPv4 alone when there is any", []string{"2001:db8::1", "10.0.0.1"}, []string{"10.0.0.1"}},
		{"IPv6 when there is nothing else", []string{"2001:db8::2", "2001:db8::1"}, []string{"2001:db8::1", "2001:db8::2"}},
		{"IPv4 written as IPv6", []string{"::ffff:10.0.0.1", "10.0.0.1"}, []string{"10.0.0.1"}},
		{"what cannot be dialled is left out", []string{"0.0.0.0", "10.0.0.1"}, []string{"10.0.0.1"}},
	} {
		got, err := Lookup(t.Context(), answers{ips: tt.found}, "catalog.internal")
		var text []string
		for _, ip := range got {
			text = append(text, ip.String())
		}
		if err != nil || !slices.Equal(text, tt.want) {
			t.Errorf("%s: %v, %v", tt.name, text, err)
		}
	}
	var many []string
	for i := range 2000 {
		many = append(many, fmt.Sprintf("10.0.%d.%d", i/250, i%250))
	}
	if got, err := Lookup(t.Context(), answers{ips: many}, "x"); err != nil || len(got) != maxAddresses {
		t.Errorf("%d addresses: %v", len(got), err)
	}
}

func TestLookupErrors(t *testing.T) {
	failed := errors.New("server misbehaving")
	for want, a := range map[string]answers{
		"look up catalog.internal: server misbehaving": {err: failed, ips: []string{"10.0.0.1"}},
		"look up catalog.internal: no addresses":       {},
	} {
		got, err := Lookup(t.Context(), a, "catalog.internal")
		if len(got) > 0 || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, %v, want %s", got, err, want)
		}
	}
}

type silent struct{}

func (silent) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestLookupIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := Lookup(t.Context(), silent{}, "catalog.internal")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != timeout {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestAddress(t *testing.T) {
	u := &url.URL{Scheme: "https", Host: "catalog.internal"}
	if got := Address(u, netip.MustParseAddr("2001:db8::1")); got != "[2001:db8::1]:443" {
		t.Error(got)
	}
}
