//go:build !linux && !darwin

package disk

import "io/fs"

// room knows nothing here: only the quota counts.
func room(string) (Usage, error) { return Usage{}, nil }

// allocated is how many bytes of the disk a file takes.
func allocated(info fs.FileInfo) int64 { return info.Size() }
