package front

import (
	"net/netip"
	"testing"

	"github.com/gabion-io/gabion/server/config"
)

func prefixes(t testing.TB, all ...string) (networks []config.Prefix) {
	t.Helper()
	for _, text := range all {
		var p config.Prefix
		if err := p.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		networks = append(networks, p)
	}
	return networks
}

func TestClientAddress(t *testing.T) {
	trusted := prefixes(t, "10.0.0.0/8", "fd00::/8")
	peer := netip.MustParseAddr("10.0.0.1")
	for _, test := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"none", nil, "10.0.0.1"},
		{"one", []string{"192.0.2.7"}, "192.0.2.7"},
		{"made up on the left", []string{"1.1.1.1, 192.0.2.7"}, "192.0.2.7"},
		{"through two of ours", []string{"192.0.2.7, 10.0.0.9"}, "192.0.2.7"},
		{"several lines", []string{"1.1.1.1", "192.0.2.7", "10.0.0.9 , 10.0.0.8"}, "192.0.2.7"},
		{"only ours", []string{"10.0.0.9"}, "10.0.0.9"},
		{"IPv6 with a port", []string{"[2001:db8::7]:443, fd00::1"}, "2001:db8::7"},
		{"IPv4 with a port", []string{"192.0.2.7:443"}, "192.0.2.7"},
		{"mapped", []string{"::ffff:192.0.2.7"}, "192.0.2.7"},
		{"nonsense ends it", []string{"192.0.2.7, unknown, 10.0.0.9"}, "10.0.0.9"},
		{"empty items", []string{" , 192.0.2.7, ,"}, "192.0.2.7"},
	} {
		if got := client(test.lines, peer, trusted); got.String() != test.want {
			t.Errorf("%s: got %v, want %s", test.name, got, test.want)
		}
	}
}

func FuzzClientAddress(f *testing.F) {
	f.Add("192.0.2.7, 10.0.0.9", "[::1]:80")
	f.Add(",,,", "%zone")
	trusted := prefixes(f, "0.0.0.0/0", "::/0")
	peer := netip.MustParseAddr("10.0.0.1")
	f.Fuzz(func(t *testing.T, a, b string) {
		if got := client([]string{a, b}, peer, trusted); !got.IsValid() || got.Zone() != "" {
			t.Errorf("%q, %q: %v", a, b, got)
		}
		if got := client([]string{a, b}, peer, nil); !got.IsValid() {
			t.Errorf("%q, %q: %v", a, b, got)
		}
	})
}

func TestPathsThatMeanTwoThingsAreRefused(t *testing.T) {
	for path, refused := range map[string]bool{
		"/": false, "/a.b": false, "/.well-known/x": false, "/a/...": false, "/a..": false, "//x": false, "/ä": false, "/a/..b": false,
		"/..": true, "/.": true, "/a/../b": true, "/a/./b": true, "/a/..;x": true, `/a\b`: true, "/a\x00": true, "/a\nb": true, "/a\x7f": true,
	} {
		if got := bad(path) != ""; got != refused {
			t.Errorf("%q: refused %v, want %v", path, got, refused)
		}
	}
}

func TestFieldsOfTrustedHops(t *testing.T) {
	for name, want := range map[string]bool{
		"Forwarded": true, "X-Forwarded-For": true, "X-Forwarded-Host": true, "X-Real-Ip": true, "Gabion-Internal": true, "X-Gabion-Attempt": true,
		"X-Gabion-Timeout-Ms": false, "X-Api-Key": false, "From": false, "Grpc-Timeout": false, "Host": false,
	} {
		if got := privileged(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
