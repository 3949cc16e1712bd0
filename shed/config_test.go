package shed

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/defaulttest"
)

func TestDefaults(t *testing.T) { defaulttest.Check(t, Config{}.withDefaults()) }

func TestModeFollowsConcurrency(t *testing.T) {
	if cfg := (Config{Concurrency: 3}).withDefaults(); cfg.Mode != ModePool {
		t.Errorf("a known concurrency makes %q", cfg.Mode)
	}
	if cfg := (Config{Mode: ModePool}).withDefaults(); cfg.Concurrency < 1 {
		t.Errorf("a pool of %d", cfg.Concurrency)
	}
}

func TestImpossibleConfigurations(t *testing.T) {
	good := mustNew(t, Config{Name: "catalog"})
	tests := map[string]struct {
		config Config
		want   []string
	}{
		"mode":              {Config{Mode: "on"}, []string{`mode is "on", must be adaptive, pool or off`}},
		"short deadline":    {Config{Deadline: 1}, []string{"deadline is 1ns, must be at least 1ms"}},
		"negative deadline": {Config{Deadline: -time.Second}, []string{"deadline is -1s, must be at least 1ms"}},
		"long deadline":     {Config{Deadline: math.MaxInt64}, []string{"at most 10m"}},
		"concurrency":       {Config{Concurrency: -1}, []string{"concurrency is -1, must be positive"}},
		"all of them": {
			Config{MaxConcurrency: -2, MaxQueue: gabion.Off, MaxTenants: -4},
			[]string{"max_concurrency is -2", "max_queue is", "max_tenants is -4"},
		},
		"found and known":   {Config{Mode: ModeAdaptive, Concurrency: 5}, []string{"concurrency is 5, but it is found"}},
		"known and bounded": {Config{Concurrency: 5, MaxConcurrency: 9}, []string{"max_concurrency is 9, but nothing grows"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := New(test.config)
			if s != nil || err == nil {
				t.Fatal("made")
			}
			again := good.Update(test.config)
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) || again == nil || !strings.Contains(again.Error(), want) {
					t.Errorf("want %q\nin %v\nand %v", want, err, again)
				}
			}
			if _, ok := errors.AsType[*gabion.FieldError](err); !ok {
				t.Errorf("%v names no field", err)
			}
			if now := good.Snapshot(); now.Mode != ModeAdaptive || now.Limit != 8 {
				t.Errorf("a failed Update made %+v", now)
			}
		})
	}
}
