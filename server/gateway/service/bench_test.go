package service

import (
	"testing"

	"github.com/gabion-io/gabion"
)

func BenchmarkPickDone(b *testing.B) {
	for _, kind := range []string{"least_load", "round_robin", "hash"} {
		b.Run(kind, func(b *testing.B) {
			cfg := serviceOf("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
			cfg.Balance = kind
			w := &world{replicas: map[string]*replica{}}
			s, err := New("catalog", cfg, Options{Transport: func(target Target) Transport { return fakeTransport{w, target.Address, 0} }})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			now := gabion.Now()
			b.ReportAllocs()
			for i := range b.N {
				l, err := s.Pick(now, uint64(i), nil)
				if err != nil {
					b.Fatal(err)
				}
				l.Done(now, Result{Outcome: gabion.Success, Reached: true, Status: 200, Took: 1})
			}
		})
	}
}
