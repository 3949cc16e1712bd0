package app

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/config"
)

func TestPartSettings(t *testing.T) {
	t.Setenv("GABION_TEST_TOKEN", "s3cr3t")
	t.Setenv("GABION_TEST_URL", "https://example.org/x")
	parse := func(text string) *config.File {
		loaded, err := config.Parse("gabion.yaml", []byte(text), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return &loaded.File
	}
	made, err := partSettings(parse(`
gateway: {admin: "127.0.0.1:7777"}
metrics:
  raw: {keep: 1d, max_size: 1GiB}
  scrape: [{job: shop, targets: ["127.0.0.1:9100"]}]
  forward: [{url: {env: GABION_TEST_URL}, labels: {cluster: north}, token: {env: GABION_TEST_TOKEN}}]
ingest: {otlp_grpc: "127.0.0.1:4317", syslog: {udp: "127.0.0.1:5514"}, files: [/var/log/a.log], per_service: {lines: 90000/m, bytes: 1GiB/m}, series: {per_metric: 7, total: 700}}
logs:
  long: {where: level>=warn}
  forward: [{url: "http://127.0.0.1:3100", protocol: loki, where: level>=error, user: me, token: {env: GABION_TEST_TOKEN}, header: {x-scope-orgid: shop}}]
traces: {forward: [{url: "http://127.0.0.1:4318"}]}
`), "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	made.Instance = made.Instance[strings.LastIndexByte(made.Instance, ':'):]
	got, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"version":"1.2.3","instance":":7777","metrics":{"raw":{"for":86400000000000,"size":1073741824},"long":{"for":157680000000000000,"size":21474836480},` +
			`"series":{"service":700,"metric":7,"total":700},"scrape":[{"job":"shop","targets":["127.0.0.1:9100"],"interval":15000000000}],` +
			`"forward":[{"url":"https://example.org/x","header":{"Authorization":["Bearer s3cr3t"]},"labels":{"cluster":"north"}}]}`,
		`"logs":{"short":{"for":1209600000000000,"size":21474836480},"long":{"for":157680000000000000,"size":21474836480},"where":"level\u003e=warn"}`,
		`"ingest":{"lines":1500,"bytes":17895697,"otlp_grpc":"127.0.0.1:4317","syslog_udp":"127.0.0.1:5514","files":["/var/log/a.log"]}`,
		`"forward":{"logs":[{"url":"http://127.0.0.1:3100","protocol":"loki","where":"level\u003e=error","header":{"Authorization":["Basic bWU6czNjcjN0"],"X-Scope-Orgid":["shop"]}}],` +
			`"traces":[{"url":"http://127.0.0.1:4318"}]}`,
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s\nis not in\n%s", want, got)
		}
	}
	for text, want := range map[string]string{
		`metrics: {forward: [{url: {env: GABION_TEST_NONE}}]}`:                                        "metrics.forward[0].url: ",
		`logs: {forward: [{url: "http://127.0.0.1:1", token: {file: /nonexistent}}]}`:                 "logs.forward[0].token: ",
		`traces: {forward: [{url: "http://127.0.0.1:1"}, {url: {env: GABION_TEST_TOKEN}}]}`:           "traces.forward[1].url: ",
		`traces: {forward: [{url: "http://127.0.0.1:1", token: {env: GABION_TEST_NONE}}]}`:            "traces.forward[0].token: ",
		`metrics: {forward: [{url: "http://127.0.0.1:1", user: me, token: {env: GABION_TEST_NONE}}]}`: "metrics.forward[0].token: ",
	} {
		if _, err := partSettings(parse(text), ""); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
