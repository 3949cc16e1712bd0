package config

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gabion-io/gabion"
)

// checker finds what is wrong with a configuration whose values are each right.
type checker struct {
	*decoder
	file *File
}

func check(d *decoder, f *File) {
	c := &checker{d, f}
	c.memory(c.gateway())
	c.alerts()
	for _, name := range sorted(f.Services) {
		c.service(name, f.Services[name])
	}
	c.fallbackCycles()
	for _, name := range sorted(f.Limits) {
		c.limit(name, f.Limits[name])
	}
	for i := range f.Routes {
		c.route(i, &f.Routes[i])
	}
	c.duplicateRoutes()
	c.drills()
	c.policies(reflect.ValueOf(f).Elem(), "")
}

// fail notes that the value at path is wrong, unless that is known already. Where nothing is written at path, the
// section that it would stand in is shown.
func (c *checker) fail(path, format string, args ...any) *Problem {
	if c.bad[path] {
		return &Problem{}
	}
	at := c.nearest(path)
	return c.add(at.where(), path, format, args...)
}

// failKey is [checker.fail] for the name of a thing rather than what it is.
func (c *checker) failKey(path, format string, args ...any) *Problem {
	at := c.nearest(path)
	if at.key == nil {
		return c.add(at.where(), path, format, args...)
	}
	return c.add(at.key.at, path, format, args...)
}

// nearest is the value at path, or of the section around it.
func (c *checker) nearest(path string) *node {
	for {
		if n := c.given[path]; n != nil {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// wrote says whether a key was written, rather than left to its default.
func (c *checker) wrote(path string) bool {
	n := c.given[path]
	return n != nil && n.kind != nullNode
}

// readable says whether what was written at path, if anything, could be read.
func (c *checker) readable(path string) bool { return !c.bad[path] }

// policies asks the kit about every section that knows its own rules, and shows its answers at their keys.
func (c *checker) policies(v reflect.Value, path string) {
	if p, ok := reflect.TypeAssert[policy](v.Addr()); ok {
		if off, section := p.section(); !*off {
			c.policies(section, path)
		}
		return
	}
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			c.policies(v.Index(i), item(path, i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			elem := reflect.New(v.Type().Elem()).Elem()
			elem.Set(v.MapIndex(key))
			c.policies(elem, join(path, key.String()))
		}
	case reflect.Struct:
		if isText(v.Type()) {
			return
		}
		c.validate(v, path)
		for _, f := range fieldsOf(v.Type()) {
			c.policies(v.FieldByIndex(f.index), join(path, f.key))
		}
	}
}

func (c *checker) validate(v reflect.Value, path string) {
	section, ok := reflect.TypeAssert[interface{ Validate() error }](v.Addr())
	if !ok {
		return
	}
	for _, err := range leaves(section.Validate()) {
		if field, ok := errors.AsType[*gabion.FieldError](err); ok {
			at := path + "." + field.Field
			if !c.told(at) {
				c.fail(at, "%s %s", at, field.Problem)
			}
			continue
		}
		c.fail(path, "%s: %v", path, err)
	}
}

// told says whether a problem at a path was noted already.
func (c *checker) told(path string) bool {
	return slices.ContainsFunc(c.problems, func(p *Problem) bool { return p.Path == path })
}

// leaves takes apart what errors.Join has joined.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, leaves(e)...)
	}
	return all
}

// sorted is the names of a section in alphabetical order.
func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// name checks the name of a service or limit: it appears in metrics, addresses and log lines.
func (c *checker) name(path, name string) {
	ok := name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r)
	})
	if !ok {
		c.failKey(path, "%q cannot be a name", clip(name)).allow("up to 64 letters, digits and - _ .")
	}
}

// reference checks that a name is one of those that exist.
func (c *checker) reference(path, kind, name string, exists []string) bool {
	if slices.Contains(exists, name) {
		return true
	}
	p := c.fail(path, "there is no %s %q", kind, clip(name)).suggest(name, exists)
	if len(exists) > 0 && len(exists) <= 20 {
		p.allow(exists...)
	}
	return false
}

// twice reports the entries of a list that were there before.
func (c *checker) twice(path string, list []string) {
	for i, entry := range list {
		if slices.Contains(list[:i], entry) {
			c.fail(item(path, i), "%s names %q twice", path, clip(entry))
		}
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
