package logs_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/gabion-io/gabion/logs"
)

func Example() {
	// A Gabion server, for this example.
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, fields, _ := strings.Cut(string(body), ",") // without the time
		fmt.Print(r.URL.Path, " ", fields, err, "\n")
	}))
	defer server.Close()

	handler, err := logs.New(logs.Config{
		URL: server.URL, Service: "shop", Instance: "shop-1",
		Next: slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	log := slog.New(handler)
	log.Info("order placed", "order", 4711)

	// Before the program ends.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := handler.Close(ctx); err != nil {
		log.Error("the end of the log is lost", "error", err)
	}
	// Output:
	// /api/v1/logs "level":"INFO","msg":"order placed","service":"shop","instance":"shop-1","order":4711}
	// <nil>
}
