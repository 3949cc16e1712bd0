package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/fallback"
)

// CheckoutConfig is what the checkout is made of.
type CheckoutConfig struct {
	Config
	// Catalog and Recommendations are the addresses of the two services, such as http://127.0.0.1:9001. Both are
	// needed to make the checkout, but only the catalog is needed to sell something.
	Catalog, Recommendations string
	// MaxOrders bounds how many orders are remembered; the oldest is forgotten first. Default: 10000.
	MaxOrders int
	// Observer is told what the policies do. Default: nobody is.
	Observer gabion.Observer
}

// Order is what a customer asks for.
type Order struct {
	Product  int `json:"product"`
	Quantity int `json:"quantity"`
}

// Receipt is the answer to an order.
type Receipt struct {
	// ID is the order's id, from the Idempotency-Key of the request.
	ID string `json:"id"`
	// Cents is what it costs.
	Cents int `json:"cents"`
	// AlsoBought are the ids of products that go with it. Degraded is set when they are just the best sellers, because
	// the recommendations could not be asked.
	AlsoBought []int `json:"also_bought"`
	Degraded   bool  `json:"degraded"`
}

// recommended is what the recommendations answered, or what stood in for them.
type recommended struct {
	ids      []int
	degraded bool
}

// bestSellers are recommended when nothing better is known.
var bestSellers = recommended{ids: []int{1, 2, 3}, degraded: true}

// Checkout sells: POST /checkout with an [Order] and an Idempotency-Key, GET /orders with the number of executed
// orders, GET /healthz. The same key gives the same receipt and is executed once, however often it is sent.
//
// It fails when an address is missing.
func Checkout(cfg CheckoutConfig) (http.Handler, error) {
	if cfg.Catalog == "" || cfg.Recommendations == "" {
		return nil, errors.New("checkout: needs the addresses of the catalog and of the recommendations")
	}
	catalog, err := newDependency("catalog", cfg.Catalog, cfg.Observer)
	if err != nil {
		return nil, err
	}
	recommendations, err := newDependency("recommendations", cfg.Recommendations, cfg.Observer,
		fallback.Value("best-sellers", bestSellers))
	if err != nil {
		return nil, err
	}
	till := &till{catalog: catalog, recommendations: recommendations, orders: newLedger(cfg.MaxOrders)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /checkout", till.sell)
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]uint64{"executed": till.orders.executed.Load()})
	})
	return cfg.serve(mux), nil
}

// till is where orders are paid.
type till struct {
	catalog, recommendations *dependency
	orders                   *ledger
}

// sell executes an order, or repeats the receipt of one that was executed before.
func (t *till) sell(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Idempotency-Key")
	var order Order
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&order)
	if err != nil || key == "" || len(key) > 255 || order.Quantity < 1 || order.Quantity > 100 {
		fail(w, http.StatusBadRequest, "send an Idempotency-Key and an order such as {\"product\": 7, \"quantity\": 1}")
		return
	}
	ctx, cancel := deadline(r)
	defer cancel()
	receipt, replayed, err := t.orders.once(ctx, key, order, func() (Receipt, error) { return t.execute(ctx, key, order) })
	if err != nil {
		refuse(w, err)
		return
	}
	if replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	answer(w, http.StatusCreated, receipt)
}

// execute sells what the order asks for.
func (t *till) execute(ctx context.Context, key string, order Order) (Receipt, error) {
	product, err := get[Product](ctx, t.catalog, "/product/"+strconv.Itoa(order.Product))
	if err != nil {
		return Receipt{}, fmt.Errorf("catalog: %w", err)
	}
	others, err := t.alsoBought(ctx, order.Product)
	if err != nil {
		return Receipt{}, fmt.Errorf("recommendations: %w", err)
	}
	return Receipt{ID: key, Cents: product.Cents * order.Quantity, AlsoBought: others.ids, Degraded: others.degraded}, nil
}

// alsoBought asks the recommendations. Their pipe ends in a fallback, so it fails only when the client went away.
func (t *till) alsoBought(ctx context.Context, id int) (recommended, error) {
	d := t.recommendations
	return gabion.Do(ctx, d.pipe, func(ctx context.Context) (recommended, error) {
		ids, err := fetch[[]int](ctx, d.client, d.base+"/recommendations/"+strconv.Itoa(id))
		return recommended{ids: ids}, err
	})
}

// refuse answers an order that was not executed.
func refuse(w http.ResponseWriter, err error) {
	var refused *gabion.Error
	switch {
	case errors.Is(err, errNotFound):
		fail(w, http.StatusUnprocessableEntity, "there is no such product")
	case errors.Is(err, errOtherOrder):
		fail(w, http.StatusUnprocessableEntity, err.Error())
	case errors.As(err, &refused):
		unavailable(w, "nothing can be sold at the moment, the order was not executed", refused.RetryAfter())
	default:
		unavailable(w, "nothing can be sold at the moment, the order was not executed", 0)
	}
}

// deadline is the request's context, which ends when the time is up that the caller still has.
func deadline(r *http.Request) (context.Context, context.CancelFunc) {
	left, err := strconv.Atoi(r.Header.Get(timeoutHeader))
	if err != nil || left < 0 || left > int(time.Hour/time.Millisecond) {
		return context.WithCancel(r.Context())
	}
	return context.WithTimeout(r.Context(), time.Duration(left)*time.Millisecond)
}
