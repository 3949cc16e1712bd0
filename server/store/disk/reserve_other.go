//go:build !linux

package disk

import (
	"errors"
	"os"
)

// reserve is not possible here: the file is written.
func reserve(*os.File, int64) error { return errors.ErrUnsupported }
