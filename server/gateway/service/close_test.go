package service

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/status"
	"go.uber.org/goleak"
)

// With real checks and a real resolver, over the network.
func TestCloseLeavesNothingRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	asked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Service{Endpoints: []config.Endpoint{{URL: server.URL}, {URL: "http://" + hangs.Addr().String()}}}
	cfg.Health.Active.Config = config.ActiveHealth{Path: "/", Interval: 10 * time.Millisecond, Timeout: time.Minute}
	hosts := &addresses{}
	hosts.set(nil, host1, "127.0.0.1")
	cfg.Standby = endpoints(host1 + ":1")
	w := &world{t: t, replicas: map[string]*replica{}}
	s, err := New("catalog", cfg, Options{
		Transport: func(target Target) Transport { return fakeTransport{w, target.Address, 0} },
		Resolver:  hosts, ResolveEvery: 10 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start(t.Context())
	s.Start(t.Context()) // counts once
	for range 3 {
		<-asked
	}
	s.Close()
	s.Close()
	server.Close()
	hangs.Close()
	goleak.VerifyNone(t, before)
	for address, r := range w.replicas {
		if r.closed != 1 {
			t.Errorf("the transport of %s was closed %d times", address, r.closed)
		}
	}
	_, err = s.Pick(gabion.Now(), 0, nil)
	if err == nil {
		t.Error("a closed service has an endpoint")
	}
}

func TestTheContextEndsTheChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, replicas: map[string]*replica{}}
		s, err := New("catalog", withChecks(serviceOf(a)), Options{
			ask: w.ask, Transport: func(target Target) Transport { return fakeTransport{w, target.Address, 0} },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		s.Start(ctx)
		time.Sleep(time.Second)
		cancel()
		w.set("503", a)
		time.Sleep(time.Minute)
		if got := s.Snapshot(gabion.Now()).Endpoints[0].State; got != status.Healthy {
			t.Errorf("after the context ended, the checks found it %s", got)
		}
		s.Close()
	})
}
