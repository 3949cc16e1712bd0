package service

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/status"
)

const host1 = "catalog.internal"

func TestNamesAreFollowed(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		hosts := &addresses{}
		hosts.set(nil, host1, "10.0.0.2", "10.0.0.1")
		w := newWorld(t, serviceOf(host1+":80"), func(o *Options) { o.Resolver = hosts })
		want := func(names ...string) {
			t.Helper()
			if !slices.Equal(w.names(), names) {
				t.Errorf("the endpoints are %q, want %q", w.names(), names)
			}
		}
		want(a, b)
		w.wantState(a, status.Healthy)
		w.run(100, time.Second)
		requests := w.status(b).Requests

		hosts.set(nil, host1, "10.0.0.3", "10.0.0.2")
		wait(6 * time.Second)
		want(b, c)
		w.wantState(c, status.SlowStart)
		if got := w.status(b).Requests; got != requests {
			t.Errorf("the one that stayed counts %d requests instead of %d", got, requests)
		}
		w.wantTold(event.KindEndpoints, "10.0.0.1, 10.0.0.2 > 10.0.0.2, 10.0.0.3 ("+host1+" has other addresses)")

		hosts.set(errors.New("server misbehaving"), host1)
		wait(time.Minute)
		want(b, c)
		hosts.set(nil, host1) // an empty answer is no better
		wait(time.Minute)
		want(b, c)
		w.wantTold(event.KindEndpoints, "", "resolved > unresolved (look up catalog.internal: server misbehaving; 2 addresses")

		hosts.set(nil, host1, "10.0.0.3", "10.0.0.2")
		wait(6 * time.Second)
		w.wantTold(event.KindEndpoints, "", "", "unresolved > resolved")
		want(b, c)
	})
}

func TestANameThatIsFoundLate(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		hosts := &addresses{}
		hosts.set(errors.New("no such host"), host1)
		w := newWorld(t, serviceOf(host1+":80"), func(o *Options) { o.Resolver = hosts })
		if _, err := w.s.Pick(gabion.Now(), 0, nil); err == nil {
			t.Fatal("an endpoint was chosen that nobody knows")
		}
		hosts.set(nil, host1, "10.0.0.1")
		wait(6 * time.Second)
		if l := w.run(100, time.Second); l.failed > 0 {
			t.Errorf("%d requests failed", l.failed)
		}
		w.wantState(a, status.Healthy)
	})
}

func TestNamesComeAndGoWithTheConfiguration(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		hosts := &addresses{}
		hosts.set(nil, host1, "10.0.0.1")
		w := newWorld(t, serviceOf(a), func(o *Options) { o.Resolver = hosts })
		wait(time.Minute)
		if n := hosts.count(); n != 0 {
			t.Errorf("an IP address was looked up %d times", n)
		}
		w.update(serviceOf(host1 + ":80"))
		// The same address, but of another URL: another endpoint.
		if got := w.names(); !slices.Equal(got, []string{a}) || w.status(a).Requests != 0 {
			t.Errorf("the endpoints are %q", got)
		}
		wait(time.Minute)
		asked := hosts.count()
		if asked < 11 || asked > 15 {
			t.Errorf("in a minute, the name was looked up %d times", asked)
		}
		w.update(serviceOf(b))
		wait(time.Minute)
		if hosts.count() != asked {
			t.Error("a name that is not wanted any more is looked up")
		}
	})
}
