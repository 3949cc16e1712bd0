package memory_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/memory"
)

func TestTheStoresOwnMetricsAreKept(t *testing.T) {
	b := setup(t, memory.Settings{Instance: "here:8081"})
	for late := time.After(20 * time.Second); ; {
		got := b.ask(`gabion_metrics_tier_bytes{job="gabion-store",instance="here:8081",tier="raw"} and on () process_resident_memory_bytes{job="gabion-store"} > 1e6 and on () up{job="gabion-store",instance="here:8081"} == 1`)
		if strings.Contains(got, `"__name__"`) {
			break
		}
		select {
		case <-late:
			t.Fatal(got)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
