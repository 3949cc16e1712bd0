package config

import (
	"bytes"
	"testing"

	"github.com/gabion-io/gabion/server/config/internal/comments"
)

func TestCommentsAreCurrent(t *testing.T) {
	got, err := comments.Generate(".")
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "comments_gen.go", got)
}

// compare is [golden] for what `make generate` writes otherwise.
func compare(t *testing.T, file string, got []byte) {
	t.Helper()
	if *rewrite {
		return
	}
	golden(t, file, got)
}

func TestGeneratedSchema(t *testing.T) {
	got, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/schema.json", got)
}

func TestGeneratedReference(t *testing.T) {
	var b bytes.Buffer
	if err := Reference(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "../../docs/configuration.md", b.Bytes())
}
