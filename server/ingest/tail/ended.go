package tail

import (
	"os"
	"slices"
)

// ended is a file that was read to its end under another name. When its new name matches a pattern too, it is not read
// again.
type ended struct {
	info os.FileInfo
	at   position
}

// maxEnded is how many of them are remembered.
const maxEnded = 256

// end closes a file and remembers it.
func (t *Tailer) end(f *file) {
	if info, err := f.handle.Stat(); err == nil {
		t.ended = append(t.ended, ended{info, f.at})
		t.ended = slices.Delete(t.ended, 0, max(len(t.ended)-maxEnded, 0))
	}
	f.handle.Close()
}

// adopt finds out how far a file was read under another name, in this run or in the last one.
func (t *Tailer) adopt(info os.FileInfo, handle *os.File) (position, bool) {
	for _, e := range slices.Backward(t.ended) {
		if os.SameFile(e.info, info) && e.at.matches(handle) {
			return e.at, true
		}
	}
	id := idOf(info)
	for path, at := range t.known {
		if at.ID != "" && at.ID == id && at.matches(handle) {
			delete(t.known, path)
			return at, true
		}
	}
	return position{}, false
}

// isOpen says whether a file is being read under another name.
func (t *Tailer) isOpen(info os.FileInfo) bool {
	for _, f := range t.files {
		if open, err := f.handle.Stat(); err == nil && os.SameFile(open, info) {
			return true
		}
	}
	return false
}
