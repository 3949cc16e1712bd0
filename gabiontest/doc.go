// Package gabiontest is what code that calls other systems is tested with: a [Dependency] that fails on order, a
// [Recorder] of what policies did, [NoLeak] for goroutines, and [Survives], which runs code through every way to fail and
// says which one broke it, how, and what helps.
//
// The ways to fail ([Mode]):
//
//	error     fails
//	latency   answers late
//	hang      does not answer; whoever waits is let go when the context ends
//	reset     closes the connection
//	panic     panics
//	overload  serves a few at once, others late, and refuses the rest
//
// A [Rule] says when and for which calls: the first so many, a share, those for a path.
//
// # A complete example
//
// The catalog is another service. Its client takes a http.RoundTripper and a gabion.Observer, and has a pipe of policies:
// a timeout, retries, a breaker. (It is in example_test.go.) This is all it takes to know that it survives:
//
//	func TestCatalogSurvives(t *testing.T) {
//		handlers := gabiontest.Case{PanicsPass: true} // net/http recovers from panics
//		gabiontest.Survives(t, handlers, func(t *testing.T, dep *gabiontest.Dependency, events *gabiontest.Recorder) func(context.Context) error {
//			c, err := newCatalog(dep, events)
//			if err != nil {
//				t.Fatal(err)
//			}
//			return func(ctx context.Context) error {
//				_, err := c.price(ctx, "hat")
//				return err
//			}
//		})
//	}
//
// A test of a protection proves something only if it fails without the protection. [Examine] returns what broke:
//
//	func TestCatalogNeedsItsPolicies(t *testing.T) {
//		breaks := gabiontest.Examine(t, gabiontest.Case{}, func(_ *testing.T, dep *gabiontest.Dependency, _ *gabiontest.Recorder) func(context.Context) error {
//			c := &catalog{client: &http.Client{Transport: dep}}
//			return func(ctx context.Context) error {
//				_, err := c.fetch(ctx, "hat")
//				return err
//			}
//		})
//		if !slices.ContainsFunc(breaks, func(b gabiontest.Break) bool { return b.Mode == gabiontest.Hang }) {
//			t.Error("it survives without them: then the other test proves nothing")
//		}
//	}
//
// And this is how one course of events is tested: a bad answer, then none, then a good one.
//
//	func TestCatalogTriesAgain(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			dep := gabiontest.New(t,
//				gabiontest.Rule{Mode: gabiontest.Error, Status: 503, First: 1},
//				gabiontest.Rule{Mode: gabiontest.Hang, First: 1})
//			events := gabiontest.NewRecorder(t)
//			c, err := newCatalog(dep, events)
//			if err != nil {
//				t.Fatal(err)
//			}
//			began := time.Now()
//			if _, err := c.price(t.Context(), "hat"); err != nil {
//				t.Error(err)
//			}
//			if took := time.Since(began); took < 3*time.Second || took > 4*time.Second {
//				t.Errorf("it took %v, want a timeout of 3s and two short waits", took)
//			}
//			events.Expect(
//				gabion.Event{Kind: gabion.EventRetry, Attempt: 1},
//				gabion.Event{Kind: gabion.EventTimeout},
//				gabion.Event{Kind: gabion.EventRetry, Attempt: 2},
//			)
//		})
//	}
//
// # What a failing test says
//
// For a function that has no timeout:
//
//	does not survive hang:
//	  done:     call 1 of 10 while the dependency does not answer until the context ends
//	  expected: it returns within 15s
//	  happened: it had not returned after 15s, and was here:
//	            a goroutine at
//	                catalog.fetch
//	                    /src/catalog/client.go:21
//	                catalog.(*Client).Price
//	                    /src/catalog/client.go:12
//	  helps:    package timeout, which ends the context of a try (Attempt) and of the call (Total): pass that context on to all
//	            that waits; then package breaker, which does not wait again for what keeps being slow (SlowCall, Hanging)
//	  calls:    of the code: 1, of the dependency: 1
//
// What policies did follows, when they have the [Recorder] as their Observer.
//
// # Time
//
// There is no fake clock to pass around. In a bubble of testing/synctest all waiting is virtual: a minute takes no time,
// and is exact. Survives makes its own bubbles; a Dependency belongs to the bubble in which it was made. Bubbles know no
// network: there, use the Dependency as a function or as an http.RoundTripper. [Dependency.Serve] is for tests with real
// connections and in real time.
package gabiontest
