package shop

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Product is something to buy.
type Product struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Cents int    `json:"cents"`
}

// products is how many there are. Their ids are 1 to products.
const products = 100

func product(id int) (Product, bool) {
	if id < 1 || id > products {
		return Product{}, false
	}
	return Product{ID: id, Name: fmt.Sprintf("Product %d", id), Cents: 100 + id*25}, true
}

// Config is what every service of the shop has. The zero value of every field means its default.
type Config struct {
	// Name is the instance's name, sent with every answer as X-Shop-Instance. Default: not sent.
	Name string
	// Work is how long the service works for each request. Default: not at all.
	Work time.Duration
	// Fault is how it misbehaves from the start. Default: it does not.
	Fault Fault
}

// serve makes a service of its handlers: with its name, its work, /healthz and the control of its faults.
func (c Config) serve(mux *http.ServeMux) http.Handler {
	mux.HandleFunc("GET /healthz", healthy)
	return withFault(c.Fault, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.Name != "" {
			w.Header().Set("X-Shop-Instance", c.Name)
		}
		if r.URL.Path != "/healthz" && !pause(r, c.Work) {
			return
		}
		mux.ServeHTTP(w, r)
	}))
}

// reportTime is how long a report takes.
const reportTime = time.Second

// Catalog knows the products: GET /products, GET /product/{id}, GET /report, which is expensive, GET /healthz.
func Catalog(cfg Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /products", func(w http.ResponseWriter, _ *http.Request) {
		all := make([]Product, 0, products)
		for id := 1; id <= products; id++ {
			p, _ := product(id)
			all = append(all, p)
		}
		answer(w, http.StatusOK, all)
	})
	mux.HandleFunc("GET /product/{id}", func(w http.ResponseWriter, r *http.Request) {
		p, ok := product(pathID(r))
		if !ok {
			fail(w, http.StatusNotFound, "there is no such product")
			return
		}
		answer(w, http.StatusOK, p)
	})
	mux.HandleFunc("GET /report", func(w http.ResponseWriter, r *http.Request) {
		if pause(r, reportTime) {
			answer(w, http.StatusOK, map[string]int{"products": products})
		}
	})
	return cfg.serve(mux)
}

// Recommendations knows what people buy together: GET /recommendations/{id}, GET /healthz.
func Recommendations(cfg Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /recommendations/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := pathID(r)
		if _, ok := product(id); !ok {
			fail(w, http.StatusNotFound, "there is no such product")
			return
		}
		ids := make([]int, 3)
		for i := range ids {
			ids[i] = (id+(i+1)*7-1)%products + 1
		}
		answer(w, http.StatusOK, ids)
	})
	return cfg.serve(mux)
}

// pathID is the {id} of the path, 0 when it is no number.
func pathID(r *http.Request) int {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return 0
	}
	return id
}
