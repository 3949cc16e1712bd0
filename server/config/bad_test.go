package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "put the actual results into the files with the expected ones")

// Every file in testdata/bad is wrong; the text beside it is what is said about it.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d files: %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(name, source, nil, nil)
			problems, ok := errors.AsType[Problems](err)
			if !ok {
				t.Fatalf("Parse: %v, want Problems", err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", []byte(problems.Error()+"\n"))
			for _, secret := range []string{"s3cr3t", "hunter2"} {
				if strings.Contains(problems.Error(), secret) {
					t.Errorf("%s is shown", secret)
				}
			}
		})
	}
}

// golden compares got with the content of a file.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs; run the test with -rewrite and look at the difference\ngot:\n%s\nwant:\n%s", file, got, want)
	}
}
