// Package traps runs the mistakes that libraries of resilience policies are known for, on Gabion and on the libraries that can
// make them, in the same way. `make bench-traps` writes the table to docs/traps.md. The tests fail when Gabion falls into one.
package traps
