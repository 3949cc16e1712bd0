// Package gabiontest is what code that calls other systems is tested with: a [Dependency] that fails on order, a
// [Recorder] of what policies did, and [Survives], which runs code through every way to fail and says which one broke
// it, and how.
//
//	func TestCatalogSurvives(t *testing.T) {
//		var client *catalog.Client
//		gabiontest.Survives(t, gabiontest.Case{
//			Setup: func(t *testing.T, events *gabiontest.Recorder) { client = catalog.New(events) },
//		}, func(ctx context.Context, dep *gabiontest.Dependency) error {
//			_, err := client.Get(ctx, &http.Client{Transport: dep}, "hat")
//			return err
//		})
//	}
//
// The ways to fail ([Mode]):
//
//	error     answers with an error
//	latency   answers late
//	hang      does not answer; whoever waits is let go when the context ends
//	freeze    does not answer, and does not look at the context
//	reset     closes the connection
//	panic     panics
//	goexit    ends the goroutine, as t.FailNow and some bugs do
//	overload  serves a few at once, others late, and refuses the rest
//
// A [Rule] says for which calls: the first so many, a share, those with a key.
//
// # Time
//
// Nothing here has a clock or a goroutine of its own. In a bubble of testing/synctest all waiting is virtual: a minute
// takes no time, and is exact. A Dependency belongs to the bubble in which it was made. Bubbles know no network; there,
// use a Dependency as a function or as an http.RoundTripper. [Dependency.Serve] is for tests with real connections and
// in real time.
//
// # What a failing test says
//
// For a caller that has no timeout, for example:
//
//	does not survive hang:
//	  late: call 1 of 10 had not returned after 15s
//	      catalog.fetch
//	          /src/catalog/client.go:21
//	      catalog.(*Client).Get
//	          /src/catalog/client.go:12
//	  the dependency was called 1 times
//
// Every protection is only proven when its test fails without it: [Examine] judges as Survives does, and leaves it to
// the test what must come out.
package gabiontest
