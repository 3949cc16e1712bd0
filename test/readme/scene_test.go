package readme

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/process"
)

const (
	// patience bounds what takes a moment, builds apart.
	patience = 30 * time.Second
	// story bounds the demo, which takes 41 s, and the build before it, which may start from nothing.
	story = 6 * time.Minute
)

// scene is a fresh copy of the repository and what runs in it.
type scene struct {
	*testing.T
	config    string   // gabion.yaml
	addresses []string // of the shop and of the API, as the README says
	dir       string
	gateway   *process.Process
}

// open copies what git knows of, as it is now, and looks whether the ports that the README names are free.
func (s *scene) open() {
	s.Helper()
	if !slices.Equal(s.addresses, []string{"127.0.0.1:8080", "127.0.0.1:8081"}) {
		s.Fatalf("the README says that the shop and the API are at %v", s.addresses)
	}
	for _, address := range append(addresses(s.config), s.addresses...) {
		l, err := (&net.ListenConfig{}).Listen(s.Context(), "tcp", address)
		if err != nil {
			s.Fatalf("the README needs the address %s, and another program has it: %v", address, err)
		}
		l.Close()
	}
	s.dir = s.TempDir()
	listed, err := exec.CommandContext(s.Context(), "git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		s.Fatalf("list the files that git knows of: %v", err)
	}
	for path := range strings.SplitSeq(strings.TrimRight(string(listed), "\x00"), "\x00") {
		if err := copyFile(filepath.Join(root, path), filepath.Join(s.dir, path)); err != nil && !os.IsNotExist(err) {
			s.Fatal(err)
		}
	}
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, content, info.Mode())
}

// command is a line of the README, for a shell in the copy. The shell gives way to the program.
func (s *scene) command(line string) *exec.Cmd {
	cmd := exec.CommandContext(s.Context(), "sh", "-c", "exec "+line)
	cmd.Dir = s.dir
	for _, variable := range os.Environ() {
		// The make that runs the tests is not the one that a reader runs.
		if !strings.HasPrefix(variable, "MAKE") && !strings.HasPrefix(variable, "MFLAGS=") && !strings.HasPrefix(variable, "GABION_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	return cmd
}

// says runs a line to its end and wants all of that in what it says.
func (s *scene) says(line string, parts ...string) {
	s.Helper()
	code, stdout, stderr := process.Run(s, patience, s.command(line))
	if code != 0 {
		s.Errorf("%s: exit code %d\n%s", line, code, stderr)
	}
	for _, part := range parts {
		if !strings.Contains(stdout, part) {
			s.Errorf("%s does not say %q, but:\n%s", line, part, stdout)
		}
	}
}

// demo lets the story be told, looks whether the shop and the API answer, and ends it as Ctrl-C does.
func (s *scene) demo(line string) {
	p := process.Start(s, "demo", s.command(line))
	s.Cleanup(func() { s.endChildren(p, syscall.SIGKILL) })
	process.Until(s, story, "the story is told", func() bool {
		if !p.Running() {
			s.Fatal("the demo ended too early, see its log")
		}
		return strings.Contains(p.Log(), "Everything stays up")
	})
	for i, path := range []string{"/product/7", "/readyz"} {
		process.Until(s, patience, s.addresses[i]+path+" answers", func() bool { return s.answers(s.addresses[i] + path) })
	}
	// To make itself it would be an interrupted recipe.
	if n := s.endChildren(p, syscall.SIGINT); n != 1 {
		s.Errorf("make runs %d programs, want the demo alone", n)
	}
	p.Ended(s, patience)
}

// endChildren sends a signal to the programs that a process runs, and tells how many they are.
func (s *scene) endChildren(p *process.Process, signal syscall.Signal) (n int) {
	s.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		s.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		var pid, parent int
		var state string
		at := strings.LastIndexByte(string(text), ')') // the name before it may hold anything
		if _, err := fmt.Sscan(string(text[at+1:]), &state, &parent); err != nil || parent != p.PID() {
			continue
		}
		if _, err := fmt.Sscan(string(text), &pid); err != nil {
			s.Fatal(err)
		}
		if err := syscall.Kill(pid, signal); err == nil {
			n++
		}
	}
	return n
}

// answers says whether a GET is answered with 200.
func (s *scene) answers(address string) bool {
	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "http://"+address, nil)
	if err != nil {
		s.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// isTarget asks make what it would do: this test is a part of it.
func (s *scene) isTarget(line string) {
	s.says(strings.Replace(line, "make ", "make -n ", 1), "test -race")
}

// validates writes the file that stands before the command in the README.
func (s *scene) validates(line string) {
	s.write(s.config)
	s.says(line, "valid (1 service, 1 route, 0 limits)")
}

func (s *scene) write(config string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "gabion.yaml"), []byte(config), 0o600); err != nil {
		s.Fatal(err)
	}
}

// runs starts the gateway before two backends, and changes its file.
func (s *scene) runs(line string) {
	for _, address := range addresses(s.config) {
		l, err := (&net.ListenConfig{}).Listen(s.Context(), "tcp", address)
		if err != nil {
			s.Fatal(err)
		}
		backend := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, address) })}
		go backend.Serve(l)
		s.Cleanup(func() { backend.Close() })
	}
	s.gateway = process.Start(s, "gabion", s.command(line))
	process.Until(s, patience, "the gateway answers", func() bool { return s.answers(s.addresses[0]) && s.answers(s.addresses[1]+"/readyz") })
	s.write(s.config + "logs: {access: false}\n")
	process.Until(s, patience, "the file is read again", func() bool { return strings.Contains(s.gateway.Log(), "a new configuration is in force") })
}

func (s *scene) shows(line string) {
	s.says(line, append(addresses(s.config), "catalog", "everything", "healthy")...)
}

// watches lets top look for a while, until Ctrl-C.
func (s *scene) watches(line string) {
	p := process.Start(s, "top", s.command(line))
	process.Until(s, patience, "top shows the route", func() bool { return strings.Contains(p.Log(), "everything") })
	p.Signal(s, os.Interrupt)
	p.Ended(s, patience)
}

func (s *scene) explains(line string) { s.says(line, "breaker", "default") }

// close ends the gateway.
func (s *scene) close() { s.gateway.Stop(s, patience) }
