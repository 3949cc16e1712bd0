// Command write writes the comments of configuration types into comments_gen.go. It runs in server/config, through
// go generate.
package main

import (
	"fmt"
	"os"

	"github.com/gabion-io/gabion/server/config/internal/comments"
)

func main() {
	source, err := comments.Generate(".")
	if err == nil {
		err = os.WriteFile("comments_gen.go", source, 0o644) //nolint:gosec // source code is for everyone to read
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "comments:", err)
		os.Exit(1)
	}
}
