package bulkhead_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/bulkhead"
)

// A peak of twice the connections is carried, in order. By default half of it would be refused.
func TestForDatabaseCarriesAPeak(t *testing.T) {
	for _, test := range []struct {
		name    string
		cfg     bulkhead.Config
		refused int
	}{
		{"database", bulkhead.ForDatabase(10), 0},
		{"default", bulkhead.Config{Concurrency: 10}, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, err := bulkhead.New(test.cfg)
				if err != nil {
					t.Fatal(err)
				}
				pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{b}})
				if err != nil {
					t.Fatal(err)
				}
				ended := make(chan error)
				for range 20 {
					go func() {
						ended <- pipe.Run(t.Context(), func(context.Context) error {
							time.Sleep(100 * time.Millisecond)
							return nil
						})
					}()
				}
				refused := 0
				for range 20 {
					if err := <-ended; errors.Is(err, bulkhead.ErrFull) {
						refused++
					} else if err != nil {
						t.Error(err)
					}
				}
				if refused != test.refused {
					t.Errorf("%d were refused, want %d", refused, test.refused)
				}
			})
		})
	}
}

func TestForDatabaseIsPossible(t *testing.T) {
	for _, connections := range []int{1, 10, 1000} {
		if err := bulkhead.ForDatabase(connections).Validate(); err != nil {
			t.Errorf("%d: %v", connections, err)
		}
	}
	var field *gabion.FieldError
	if err := bulkhead.ForDatabase(-1).Validate(); !errors.As(err, &field) || field.Field != "concurrency" {
		t.Errorf("-1: %v", err)
	}
}
