package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Flag is a setting from the command line.
type Flag struct {
	// Name is what the user wrote, such as "--listen", for messages and origins.
	Name string
	// Path is the key, such as "gateway.listen". Keys within lists and below names of one's own cannot be set.
	Path string
	// Value is as it would be written in the file.
	Value string
}

// envPrefix starts the names of the variables that set keys.
const envPrefix = "GABION_"

// settable lists the keys that a variable or a flag can set: those that are not within a map or a list.
func settable() []string {
	var paths []string
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		for _, f := range fieldsOf(t) {
			at := join(path, f.key)
			switch section := isSection(f.typ); {
			case f.typ.Kind() == reflect.Map, f.typ.Kind() == reflect.Slice && isSection(f.typ.Elem()) && !single[f.typ]:
			case section:
				walk(f.typ, at)
			default:
				paths = append(paths, at)
			}
		}
	}
	walk(reflect.TypeFor[File](), "")
	return paths
}

// variable is the name of the environment variable that sets a key.
func variable(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// serviceLink matches the variables that Kubernetes sets for a service whose name begins with "gabion-gateway" or the
// like. They mean nothing to us.
var serviceLink = regexp.MustCompile(`_(SERVICE_(HOST|PORT(_.*)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// environment puts the variables of env ("NAME=value") over the file.
func (d *decoder) environment(root *node, env []string) {
	paths := map[string]string{}
	var names []string
	for _, path := range settable() {
		paths[variable(path)] = path
		names = append(names, variable(path))
	}
	paths[variable("gateway.token")] = "gateway.token" // to be refused with its reason
	env = slices.Clone(env)
	slices.Sort(env)
	for i, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if !isOurs(name) || value == "" {
			continue
		}
		src := newSource(OriginEnv, name, entry, 1+i)
		if path := paths[name]; path != "" {
			d.overlay(root, path, value, src, len(name)+2)
			continue
		}
		if !serviceLink.MatchString(name) {
			src.hide(place{line: 1, col: len(name) + 2})
			d.add(place{src, 1, 1, len(name)}, "", "%s sets no key of the configuration", name).suggest(name, names)
		}
	}
}

// isOurs says whether a variable's name is one of those that set keys.
func isOurs(name string) bool {
	for _, f := range fieldsOf(reflect.TypeFor[File]()) {
		if f.typ.Kind() == reflect.Map || f.typ.Kind() == reflect.Slice {
			continue
		}
		if v := variable(f.key); name == v || (f.typ.Kind() == reflect.Struct && strings.HasPrefix(name, v+"_")) {
			return true
		}
	}
	return false
}

// flags puts flags over the file and the environment.
func (d *decoder) flags(root *node, flags []Flag, order int) {
	paths := append(settable(), "gateway.token")
	for i, f := range flags {
		src := newSource(OriginFlag, f.Name, f.Name+"="+f.Value, order+i)
		if slices.Contains(paths, f.Path) {
			d.overlay(root, f.Path, f.Value, src, len([]rune(f.Name))+2)
			continue
		}
		d.add(place{src, 1, 1, len([]rune(f.Name))}, f.Path, "%q cannot be set from the command line", f.Path).
			suggest(f.Path, settable())
	}
}

// overlay puts a value in place of what the tree has at path.
func (d *decoder) overlay(root *node, path, value string, src *source, col int) {
	parts := strings.Split(path, ".")
	at := src.token(1, col, value)
	section := root
	for i, part := range parts[:len(parts)-1] {
		next := section.byKey[part]
		secret := i == 1 && part == "token" // a secret's reference is replaced as a whole
		if next == nil || next.kind == nullNode || (secret && next.at.src.kind != src.kind) {
			next = &node{at: at, kind: mapNode, byKey: map[string]*node{}}
			section.set(&node{at: at, kind: scalarNode, text: part}, next)
		}
		if next.kind != mapNode {
			return // the file has something there that is reported anyway
		}
		section = next
	}
	last := parts[len(parts)-1]
	made := &node{at: at, kind: scalarNode, text: value, plain: true, tag: "!!str"}
	if value == "true" || value == "false" {
		made.tag = "!!bool"
	}
	if strings.HasPrefix(value, "[") || strings.HasPrefix(value, "{") {
		inner := newSource(src.kind, src.name, value, src.order)
		if path == "gateway.token" {
			inner.hide(place{line: 1, col: 1})
		}
		if made = parseTree(d.report, inner, []byte(value)); made == nil {
			return
		}
	}
	section.set(&node{at: at, kind: scalarNode, text: last}, made)
}
