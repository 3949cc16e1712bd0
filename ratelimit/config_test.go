package ratelimit

import (
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

func TestDefaultTagsAreWhatNewApplies(t *testing.T) {
	tag := func(config any, field string) string {
		f, _ := reflect.TypeOf(config).FieldByName(field)
		return f.Tag.Get("default")
	}
	requests := mustRequests(t, RequestsConfig{Rate: perSecond(5)}).store.settings.Load()
	if got := strconv.FormatInt(requests.maxKeys, 10); got != tag(RequestsConfig{}, "MaxKeys") {
		t.Errorf("max_keys of requests: %s", got)
	}
	times := mustServerTime(t, ServerTimeConfig{Quota: Quota{1, 1}}).store.settings.Load()
	if got := strconv.FormatInt(times.maxKeys, 10); got != tag(ServerTimeConfig{}, "MaxKeys") {
		t.Errorf("max_keys of server time: %s", got)
	}
	if got := strconv.Itoa(times.all[0].concurrency); got != tag(ServerTimeConfig{}, "Concurrency") {
		t.Errorf("concurrency: %s", got)
	}
	if times.estimate != 0 || tag(ServerTimeConfig{}, "Estimate") != "learned" {
		t.Errorf("estimate: %v", times.estimate)
	}
	if tag(RequestsConfig{}, "Burst") != "one second of requests" {
		t.Error("burst")
	}
	for rate, want := range map[Rate]int{
		perSecond(100): 100, {60, time.Minute}: 1, {90, time.Minute}: 1, {1000, time.Minute}: 16, {1, time.Hour}: 1, {7, 100 * time.Millisecond}: 70,
		{math.MaxInt, time.Nanosecond}: math.MaxInt,
	} {
		if got := defaultBurst(rate); got != want {
			t.Errorf("burst of %v: %d, want %d", rate, got, want)
		}
	}
}

func TestValidateNamesAllProblems(t *testing.T) {
	for want, err := range map[string]error{
		"requests is missing":                RequestsConfig{}.Validate(),
		"requests is -1 in 1s":               RequestsConfig{Rate: perSecond(-1)}.Validate(),
		"at most 10000000/s":                 RequestsConfig{Rate: perSecond(10_000_001)}.Validate(),
		"requests has a period of 8760h0m0s": RequestsConfig{Rate: Rate{1, 365 * 24 * time.Hour}}.Validate(),
		"burst is -1":                        RequestsConfig{Rate: perSecond(1), Burst: -1}.Validate(),
		"at most 8784: at 1/h":               RequestsConfig{Rate: Rate{1, time.Hour}, Burst: 9000}.Validate(),
		"max_keys is -1":                     RequestsConfig{Rate: perSecond(1), MaxKeys: -1}.Validate(),
		"max_keys is 1000000000":             RequestsConfig{Rate: perSecond(1), MaxKeys: 1e9}.Validate(),
		"tiers has a tier without a name":    RequestsConfig{Rate: perSecond(1), Tiers: []RequestsTier{{Keys: []string{"a"}}}}.Validate(),
		"tiers.gold.keys is empty":           RequestsConfig{Rate: perSecond(1), Tiers: []RequestsTier{{Name: "gold"}}}.Validate(),
		"holds an empty key":                 RequestsConfig{Rate: perSecond(1), Tiers: []RequestsTier{{Name: "gold", Keys: []string{""}}}}.Validate(),
		`tiers has the tier "gold" twice`:    RequestsConfig{Rate: perSecond(1), Tiers: []RequestsTier{{Name: "gold", Keys: []string{"a"}}, {Name: "gold", Keys: []string{"b"}}}}.Validate(),
		"tiers.gold.burst is -3":             RequestsConfig{Rate: perSecond(1), Tiers: []RequestsTier{{Name: "gold", Keys: []string{"a"}, Burst: -3}}}.Validate(),
		"overrides.bob.requests is 0 in 1s":  RequestsConfig{Rate: perSecond(1), Overrides: map[string]RequestsValues{"bob": {Rate: perSecond(0)}}}.Validate(),
		"burst is 5, must be left out":       RequestsConfig{Rate: perSecond(1), Sliding: true, Burst: 5}.Validate(),
		"overrides.bob.burst is 2, must be":  RequestsConfig{Rate: perSecond(1), Sliding: true, Overrides: map[string]RequestsValues{"bob": {Burst: 2}}}.Validate(),
		"tiers.gold.burst is 2, must be":     RequestsConfig{Rate: perSecond(1), Sliding: true, Tiers: []RequestsTier{{Name: "gold", Keys: []string{"a"}, Burst: 2}}}.Validate(),
		"server_time is missing":             ServerTimeConfig{}.Validate(),
		"server_time is -1s in 1s":           ServerTimeConfig{Quota: Quota{-time.Second, time.Second}}.Validate(),
		"server_time is 1000000h0m0s":        ServerTimeConfig{Quota: Quota{1e6 * time.Hour, time.Second}}.Validate(),
		"server_time has a period of":        ServerTimeConfig{Quota: Quota{time.Second, 1e6 * time.Hour}}.Validate(),
		"concurrency is -2":                  ServerTimeConfig{Concurrency: -2}.Validate(),
		"estimate is -1ns":                   ServerTimeConfig{Concurrency: 1, Estimate: -1}.Validate(),
		"tiers.gold.concurrency is -1":       ServerTimeConfig{Concurrency: 1, Tiers: []ServerTimeTier{{Name: "gold", Keys: []string{"a"}, Concurrency: -1}}}.Validate(),
		"overrides.bob.server_time is 0s":    ServerTimeConfig{Concurrency: 1, Overrides: map[string]ServerTimeValues{"bob": {Quota: Quota{0, 1}}}}.Validate(),
	} {
		if _, ok := errors.AsType[*gabion.FieldError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	err := RequestsConfig{Rate: perSecond(-1), MaxKeys: -1}.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("two problems are told as %v", err)
	}
	if l, err := NewRequests(RequestsConfig{}); l != nil || err == nil {
		t.Errorf("New gives %v, %v", l, err)
	}
	if l, err := NewServerTime(ServerTimeConfig{}); l != nil || err == nil {
		t.Errorf("New gives %v, %v", l, err)
	}
	times := mustServerTime(t, ServerTimeConfig{Concurrency: 1})
	if err := times.Update(ServerTimeConfig{}); err == nil {
		t.Error("a wrong update was accepted")
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"*", "", true},
		{"*", "10.0.0.0/8", true},
		{"a*", "a", true},
		{"a*", "ba", false},
		{"*z", "az", true},
		{"a*z", "az", true},
		{"a*z", "a", false},
		{"a*a", "a", false},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"a**c", "abc", true},
	} {
		if got := match(c.pattern, c.key); got != c.want {
			t.Errorf("match(%q, %q) = %v", c.pattern, c.key, got)
		}
	}
}

func TestParseRateAndQuota(t *testing.T) {
	for text, want := range map[string]Rate{"100/s": perSecond(100), "60/m": {60, time.Minute}, " 5 / 10s ": {5, 10 * time.Second}, "1/h": {1, time.Hour}} {
		var got Rate
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "/", "100", "0/s", "-1/s", "1/0s", "1/-s", "1/x", "x/s", "1.5/s", "99999999999999999999/s"} {
		var rate Rate
		if err := rate.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("rate %q: accepted as %v", text, rate)
		}
		var quota Quota
		if err := quota.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("quota %q: accepted as %v", text, quota)
		}
	}
	var quota Quota
	if err := quota.UnmarshalText([]byte("2s/10s")); err != nil || quota != (Quota{2 * time.Second, 10 * time.Second}) {
		t.Errorf("%v, %v", quota, err)
	}
}

func FuzzRate(f *testing.F) {
	for _, text := range []string{"100/s", "5/10s", "1/h", "1/1m30s", "/", "9/0.1s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r, again Rate
		if r.UnmarshalText([]byte(text)) != nil {
			return
		}
		if r.Count <= 0 || r.Per <= 0 {
			t.Fatalf("%q gives %d in %d ns", text, r.Count, r.Per)
		}
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Fatalf("%q is written %q and read as %v, %v", text, r, again, err)
		}
	})
}

func FuzzQuota(f *testing.F) {
	for _, text := range []string{"2s/10s", "1ms/s", "1h/1h30m", "/"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var q, again Quota
		if q.UnmarshalText([]byte(text)) != nil {
			return
		}
		if q.Time <= 0 || q.Per <= 0 {
			t.Fatalf("%q gives %d in %d ns", text, q.Time, q.Per)
		}
		if err := again.UnmarshalText([]byte(q.String())); err != nil || again != q {
			t.Fatalf("%q is written %q and read as %v, %v", text, q, again, err)
		}
	})
}
