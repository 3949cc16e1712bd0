package app

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryOfTheHost(t *testing.T) {
	const meminfo = "MemTotal:        8000000 kB\nMemFree:         1000 kB\n"
	for name, test := range map[string]struct {
		files map[string]string
		has   int64
		store int64
	}{
		"unknown":         {nil, 0, 1 << 30},
		"host":            {map[string]string{"proc/meminfo": meminfo}, 8000000 << 10, 1 << 30},
		"no limit":        {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 8000000 << 10, 1 << 30},
		"container":       {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, 1 << 30, 256 << 20},
		"group above":     {map[string]string{"proc/self/cgroup": "1:name=x:/y\n0::/a/b\n", "sys/fs/cgroup/a/memory.max": "1000000000\n", "sys/fs/cgroup/a/b/memory.max": "2000000000\n"}, 1e9, 25e7},
		"small":           {map[string]string{"proc/meminfo": "MemTotal: 200000 kB\n"}, 200000 << 10, 128 << 20},
		"odd":             {map[string]string{"proc/meminfo": "MemTotal: many\n", "proc/self/cgroup": "0::\n"}, 0, 1 << 30},
		"group elsewhere": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/../x\n"}, 8000000 << 10, 1 << 30},
	} {
		root := t.TempDir()
		for path, text := range test.files {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := memoryOf(root); got != test.has {
			t.Errorf("%s: %d, want %d", name, got, test.has)
		}
		if got := storeBound(memoryOf(root)); got != test.store {
			t.Errorf("%s: %d for the store, want %d", name, got, test.store)
		}
	}
}
