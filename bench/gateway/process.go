package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a started program.
type process struct {
	name  string
	dir   string
	cmd   *exec.Cmd
	ready time.Duration // from the start to the first answer
}

// start runs a program in a directory of its own and waits until it answers on its port.
func start(ctx context.Context, c contender) (*process, error) {
	dir, err := os.MkdirTemp("", "gabion-bench-run")
	if err != nil {
		return nil, err
	}
	p := &process{name: c.name, dir: dir}
	if err := p.run(ctx, c); err != nil {
		p.stop()
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return p, nil
}

func (p *process) run(ctx context.Context, c contender) error {
	if c.file != "" {
		if err := os.WriteFile(filepath.Join(p.dir, c.file), []byte(c.fill(c.config, p.dir)), 0o600); err != nil {
			return err
		}
	}
	out, err := os.Create(filepath.Join(p.dir, "out"))
	if err != nil {
		return err
	}
	defer out.Close()
	args := make([]string, len(c.command))
	for i, arg := range c.command {
		args[i] = c.fill(arg, p.dir)
	}
	if _, err := exec.LookPath(args[0]); err != nil {
		args[0] = "/usr/sbin/" + args[0]
	}
	p.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, out, out
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 10 * time.Second
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	if err := p.await(ctx, c.port); err != nil {
		said, _ := os.ReadFile(out.Name()) // only to explain the error
		return fmt.Errorf("%w\n%s", err, said)
	}
	p.ready = time.Since(began)
	return nil
}

func (p *process) await(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				http.DefaultClient.CloseIdleConnections()
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("does not answer on " + url)
		case <-tick.C:
		}
	}
}

// stop ends the program, waits for it and removes its directory.
func (p *process) stop() {
	defer os.RemoveAll(p.dir)
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		fmt.Fprintf(os.Stderr, "stopping %s: %v\n", p.name, err)
	}
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		fmt.Fprintf(os.Stderr, "stopping %s: %v\n", p.name, err)
	}
}

// cpu is the user and system time of the process and its children so far.
func (p *process) cpu() (time.Duration, error) {
	var total time.Duration
	for _, pid := range tree(p.cmd.Process.Pid) {
		fields, err := statFields(pid)
		if err != nil {
			return 0, err
		}
		for _, i := range []int{11, 12} { // utime and stime, in ticks of 10 ms
			ticks, err := strconv.Atoi(fields[i])
			if err != nil {
				return 0, err
			}
			total += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return total, nil
}

// memory is the resident memory of the process and its children, in MiB.
func (p *process) memory() (float64, error) {
	var pages int
	for _, pid := range tree(p.cmd.Process.Pid) {
		fields, err := statFields(pid)
		if err != nil {
			return 0, err
		}
		rss, err := strconv.Atoi(fields[21])
		if err != nil {
			return 0, err
		}
		pages += rss
	}
	return float64(pages*os.Getpagesize()) / (1 << 20), nil
}

// statFields are the fields of /proc/PID/stat after the command's name.
func statFields(pid int) ([]string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.Fields(after), nil
}

// tree is a process and all below it.
func tree(pid int) []int {
	all := []int{pid}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return all
	}
	for _, task := range tasks {
		children, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		for child := range strings.FieldsSeq(string(children)) {
			if id, err := strconv.Atoi(child); err == nil {
				all = append(all, tree(id)...)
			}
		}
	}
	return all
}
