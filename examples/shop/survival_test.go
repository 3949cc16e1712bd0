package shop

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/fallback"
	"github.com/gabion-io/gabion/gabiontest"
)

// sales sells while the recommendations fail in every way there is. They are a mere extra, so each sale must succeed. What
// panics ends in net/http, which recovers.
var sales = gabiontest.Case{Calls: 40, MustSucceed: true, PanicsPass: true}

// sale is an order, without a network: at a till that calls the catalog and the recommendations through these pipes.
func sale(t *testing.T, recommendations *gabiontest.Dependency, pipes [2]*gabion.Pipe) func(context.Context) error {
	catalog := gabiontest.New(t)
	catalog.Answer(Catalog(Config{}))
	recommendations.Answer(Recommendations(Config{}))
	s := &till{
		catalog:         &dependency{"http://catalog", &http.Client{Transport: catalog}, pipes[0]},
		recommendations: &dependency{"http://recommendations", &http.Client{Transport: recommendations}, pipes[1]},
	}
	return func(ctx context.Context) error {
		receipt, err := s.execute(ctx, "key", Order{Product: 7, Quantity: 2})
		if err == nil && (receipt.Cents != 550 || len(receipt.AlsoBought) == 0) {
			err = errors.New("the receipt is not complete")
		}
		return err
	}
}

func TestShopSurvivesItsRecommendations(t *testing.T) {
	gabiontest.Survives(t, sales, func(t *testing.T, dep *gabiontest.Dependency, events *gabiontest.Recorder) func(context.Context) error {
		catalog, err := newDependency("catalog", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		recommendations, err := newDependency("recommendations", "", events, fallback.Value("best-sellers", bestSellers))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			events.Expect(gabion.Event{Kind: gabion.EventState, To: "open"}, gabion.Event{Kind: gabion.EventFallback},
				gabion.Event{Kind: gabion.EventState, To: "half_open"})
		})
		return sale(t, dep, [2]*gabion.Pipe{catalog.pipe, recommendations.pipe})
	})
}

// The negative twin: without the policies no sale survives anything.
func TestWithoutThePipeItDoesNot(t *testing.T) {
	bare, err := gabion.New(gabion.Config{Classify: classify})
	if err != nil {
		t.Fatal(err)
	}
	breaks := gabiontest.Examine(t, sales, func(t *testing.T, dep *gabiontest.Dependency, _ *gabiontest.Recorder) func(context.Context) error {
		return sale(t, dep, [2]*gabion.Pipe{bare, bare})
	})
	broken := map[gabiontest.Mode]bool{}
	for _, b := range breaks {
		broken[b.Mode] = true
	}
	if len(broken) != 5 || broken[gabiontest.Panic] {
		t.Errorf("it broke in %v, want all but panic: then the policies are not what saves the shop", broken)
	}
}
