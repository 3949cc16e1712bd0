package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The bounds of what the store process should stay within.
const (
	storeMost  = 1 << 30
	storeLeast = 128 << 20
	storeShare = 4 // a quarter of what there is
)

// storeMemory is the memory that the store process should stay within: a quarter of what the host, or its container, has,
// and not more than 1 GiB. That is no wall: near it, the store spends its own time on tidying up, and nobody else's.
func storeMemory() int64 { return storeBound(memoryOf("/")) }

func storeBound(has int64) int64 {
	if has == 0 {
		return storeMost
	}
	return min(max(has/storeShare, storeLeast), storeMost)
}

// memoryOf is the memory of the host whose files are below root, or of the control group that this process is in; 0 when
// neither is known.
func memoryOf(root string) (least int64) {
	note := func(n int64) {
		if n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	text, _ := os.ReadFile(filepath.Join(root, "proc/meminfo")) // elsewhere than on Linux there is none
	for line := range bytes.Lines(text) {
		if kB, found := bytes.CutPrefix(line, []byte("MemTotal:")); found {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(string(kB)), "kB")), 10, 53) // 0 is not noted
			note(n << 10)
		}
	}
	groups, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup")) // as above
	for line := range bytes.Lines(groups) {
		group, found := bytes.CutPrefix(bytes.TrimSpace(line), []byte("0::"))
		if !found {
			continue
		}
		for at := string(group); ; at = filepath.Dir(at) {
			limit, _ := os.ReadFile(filepath.Join(root, "sys/fs/cgroup", at, "memory.max"))
			n, _ := strconv.ParseInt(strings.TrimSpace(string(limit)), 10, 64) // "max" is none
			note(n)
			if at == "/" || at == "." || at == "" {
				break
			}
		}
	}
	return least
}
