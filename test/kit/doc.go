// Package kit holds the tests of the kit that need more than the standard library: models that any sequence of calls is
// compared with.
package kit
