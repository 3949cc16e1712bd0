package config

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// again checks that the effective configuration, read as a file, means the same.
func again(t *testing.T, loaded *Loaded) {
	t.Helper()
	var out bytes.Buffer
	if err := loaded.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	second, err := Parse("effective.yaml", out.Bytes(), nil, nil)
	if err != nil {
		t.Fatalf("the effective configuration is wrong: %v\n%s", err, out.String())
	}
	if second.Hash != loaded.Hash {
		t.Errorf("the effective configuration means something else:\n%s", out.String())
	}
}

func TestEffectiveConfigurationMeansTheSame(t *testing.T) {
	for _, source := range []string{"testdata/example.yaml", "starter.yaml", "testdata/odd.yaml"} {
		content, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		again(t, parse(t, string(content)))
	}
}

func TestEffectiveConfiguration(t *testing.T) {
	loaded, err := Parse("gabion.yaml", []byte(`
gateway: {token: {env: TOKEN}, drain: 90s}
services:
  app:
    endpoints: [http://127.0.0.1:9001]
    retry: off
    timeout: {total: 1s}
`), []string{"GABION_LOGS_ACCESS=false"}, []Flag{{"--data", "data", "/var/lib/gabion"}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := loaded.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/effective.txt", out.Bytes())
}

func TestPrecedence(t *testing.T) {
	const file = "gateway: {drain: 1s}\n"
	env := []string{"GABION_GATEWAY_DRAIN=2s", "OTHER=x"}
	flag := Flag{"--drain", "gateway.drain", "3s"}
	for _, test := range []struct {
		name   string
		source string
		env    []string
		flags  []Flag
		want   time.Duration
		origin string
	}{
		{"default", "data: x", nil, nil, 20 * time.Second, "default"},
		{"file", file, nil, nil, time.Second, "file gabion.yaml:1"},
		{"env over default", "data: x", env, nil, 2 * time.Second, "env GABION_GATEWAY_DRAIN"},
		{"env over file", file, env, nil, 2 * time.Second, "env GABION_GATEWAY_DRAIN"},
		{"an empty variable is none", file, []string{"GABION_GATEWAY_DRAIN="}, nil, time.Second, "file gabion.yaml:1"},
		{"flag over env", file, env, []Flag{flag}, 3 * time.Second, "flag --drain"},
		{"last flag", file, env, []Flag{flag, {"--drain", "gateway.drain", "4s"}}, 4 * time.Second, "flag --drain"},
	} {
		t.Run(test.name, func(t *testing.T) {
			loaded, err := Parse("gabion.yaml", []byte(test.source), test.env, test.flags)
			if err != nil {
				t.Fatal(err)
			}
			if got := loaded.File.Gateway.Drain; got != test.want {
				t.Errorf("drain is %v, want %v", got, test.want)
			}
			if got := loaded.Origin("gateway.drain").String(); got != test.origin {
				t.Errorf("origin is %q, want %q", got, test.origin)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	f := parse(t, "gateway: {token: {env: OLD}}",
		"GABION_GATEWAY_LISTEN=[127.0.0.1:1, {address: 127.0.0.1:2}]", "GABION_GATEWAY_TRUSTED=[10.0.0.0/8]",
		"GABION_GATEWAY_TOKEN_FILE=/run/token", "GABION_DATA=/data", "GABION_LOGS_ACCESS=false", "GABION_SOMETHING=x",
		"GABION_GATEWAY_SERVICE_HOST=10.0.0.1", "GABION_GATEWAY_PORT_8080_TCP=tcp://10.0.0.1:8080", "GABION_GATEWAY_PORT=tcp://x",
	).File
	if got := f.Gateway.Listen; len(got) != 2 || got[1].Address != "127.0.0.1:2" {
		t.Errorf("listen %+v", got)
	}
	if f.Gateway.Token != (Secret{File: "/run/token"}) || f.Gateway.Trusted[0].String() != "10.0.0.0/8" || f.Data != "/data" || f.Logs.Access {
		t.Errorf("%+v %+v", f.Gateway, f.Logs)
	}
}

func TestProblemsOfEnvironmentAndFlags(t *testing.T) {
	found := problems(t, minimal, []string{
		"GABION_GATEWAY_DRAIN=soon", "GABION_GATEWAY_LISTEM=:1", "GABION_GATEWAY_TOKEN=s3cr3t", "GABION_GATEWAY_LISTEN=[:1",
		"GABION_LOGS_ACCESS=maybe", "GABION_GATEWAY_TRUSTED=[s]",
	}, Flag{"--set services.app.balance", "services.app.balance", "hash"}, Flag{"--set data", "data", "[]"}, Flag{"--set gateway.drian", "gateway.drian", "5s"})
	golden(t, "testdata/settings.txt", []byte(found.Error()+"\n"))
	if strings.Contains(found.Error(), "s3cr3t") {
		t.Error("the secret is shown")
	}
}

func TestOriginsKnowEveryValue(t *testing.T) {
	loaded := parse(t, minimal)
	origins := loaded.Origins()
	want := map[string]string{
		"services.app.endpoints[0].url": "file gabion.yaml:1", "services.app.endpoints[0].weight": "default",
		"services.app.retry.backoff.max": "default", "routes[0].service": "file gabion.yaml:2",
	}
	for path, origin := range want {
		if got, ok := origins[path]; !ok || got.String() != origin {
			t.Errorf("%s comes from %v, want %s", path, got, origin)
		}
	}
	if v := loaded.Values()["services"].(map[string]any)["app"].(map[string]any)["retry"].(map[string]any)["attempts"]; !reflect.DeepEqual(v, 3) {
		t.Errorf("attempts are %#v", v)
	}
}
