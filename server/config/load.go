package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
)

// DefaultPath is the file that commands read when none is named.
const DefaultPath = "gabion.yaml"

// Loaded is a configuration that was found right.
type Loaded struct {
	// File is the effective configuration: everything that can have a value has one.
	File File
	// Name is the path that it was read from; Source is what stood there, byte for byte.
	Name   string
	Source []byte
	// Hash names the effective values: it is the same for two configurations that mean the same.
	Hash string

	given map[string]*node
}

// Load reads and checks the file at path with the settings of env ("NAME=value", as from [os.Environ]) and flags over
// it. What is wrong with the configuration is returned as [Problems], all at once. Other errors say that the file
// could not be read.
func Load(path string, env []string, flags []Flag) (*Loaded, error) {
	source, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read configuration: %w (`gabion init -o %s` writes one to start from)", err, path)
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, source, env, flags)
}

// read reads a file, no more of it than a configuration may have and a byte to see that it has more.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSource+1))
}

// Parse is [Load] for a source that was read already; name is what messages call it.
func Parse(name string, source []byte, env []string, flags []Flag) (*Loaded, error) {
	d := &decoder{report: &report{}, given: map[string]*node{}, bad: map[string]bool{}}
	src := newSource(OriginFile, name, string(source), 0)
	root := parseTree(d.report, src, source)
	if root == nil {
		return nil, d.found()
	}
	if root.kind != mapNode {
		d.add(root.at, "", "a configuration is a section of keys such as gateway, services and routes")
		return nil, d.found()
	}
	d.environment(root, env)
	d.flags(root, flags, len(env)+1)

	loaded := &Loaded{Name: name, Source: source, given: d.given}
	v := reflect.ValueOf(&loaded.File).Elem()
	d.given[""] = root
	d.structure(root, v, "")
	d.defaults(v, "")
	normalize(d, &loaded.File)
	check(d, &loaded.File)
	if problems := d.found(); len(problems) > 0 {
		return nil, problems
	}
	sum := sha256.Sum256(loaded.canonical())
	loaded.Hash = hex.EncodeToString(sum[:8])
	return loaded, nil
}

// ETag names the source byte for byte, comments included, in the form of an HTTP entity tag: who edits a file must
// not overwrite another's comments either.
func (l *Loaded) ETag() string {
	sum := sha256.Sum256(l.Source)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// Origin says where the value of a key came from. Its path is as in [Problem].
func (l *Loaded) Origin(path string) Origin {
	if n := l.given[path]; n != nil {
		return n.origin()
	}
	return Origin{Kind: OriginDefault}
}
