package app_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/app"
)

// TestConfigurationOverTheAdminAPI changes the configuration of a running process with PUT, and finds it in the file.
func TestConfigurationOverTheAdminAPI(t *testing.T) {
	dir := t.TempDir()
	target, path := filepath.Join(dir, "real.yaml"), filepath.Join(dir, "gabion.yaml")
	admin := freeAddress(t)
	config := func(more string) string {
		return fmt.Sprintf("gateway: {listen: %q, admin: %q}\nservices:\n  catalog: {endpoints: [http://127.0.0.1:1]}\nroutes:\n  - {name: product, service: catalog}\n%s", "127.0.0.1:0", admin, more)
	}
	if err := os.WriteFile(target, []byte(config("")), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	a, err := app.New(app.Options{Path: path, Version: "1.2.3", Access: io.Discard, Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)

	put := func(text, match string) (int, string, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+admin+"/api/v1/config", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("If-Match", match)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }() // it was read to its end
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, answer.Header.Get("ETag"), string(body)
	}
	second := config("limits: {per-user: {requests: 10/s}}\n")
	code, tag, body := put(second, "*")
	if code != http.StatusOK || !strings.Contains(body, `"generation":2`) || tag == "" {
		t.Fatalf("%d %s %s", code, tag, body)
	}
	if have, err := os.ReadFile(target); err != nil || string(have) != second {
		t.Errorf("the file holds %s (%v)", have, err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode changed: %v %v", info, err)
	}
	for name, test := range map[string]struct {
		text, match string
		code        int
	}{
		"stale":   {config(""), `"0123"`, http.StatusPreconditionFailed},
		"wrong":   {config("limitz: {}\n"), tag, http.StatusUnprocessableEntity},
		"at last": {strings.Replace(second, admin, "127.0.0.1:1", 1), tag, http.StatusUnprocessableEntity},
	} {
		if code, _, body := put(test.text, test.match); code != test.code {
			t.Errorf("%s: %d %s", name, code, body)
		}
		if have, err := os.ReadFile(path); err != nil || string(have) != second {
			t.Errorf("%s: the file holds %s (%v)", name, have, err)
		}
	}
	if text := get(t, "http://"+admin+"/api/v1/status"); !strings.Contains(text, `"per-user"`) || !strings.Contains(text, `"generation":2`) {
		t.Error(text)
	}
	// What was not taken is an event, and says nothing about what is in force.
	shows(t, "http://"+admin+"/metrics", "gabion_config_last_reload_success 1", `gabion_events_total{kind="reload"} 3`)
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
