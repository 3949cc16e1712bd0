package kit

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/gabion-io/gabion/ratelimit"
)

// Ten million keys, each new, do not take more memory than there is room for, and none of those who were refused before is
// forgotten for them. As long as all who are remembered have used something, the new ones share.
func TestTrap26TenMillionKeysStayBounded(t *testing.T) {
	const keys, room, refused = 10_000_000 / slower, 20_000, 500
	limit, err := ratelimit.NewRequests(ratelimit.RequestsConfig{Rate: ratelimit.Rate{Count: 1, Per: time.Minute}, Burst: 2, MaxKeys: room})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Hour
	victims := make([]string, refused)
	for i := range victims {
		victims[i] = "refused-" + strconv.Itoa(i)
		limit.Take(now, victims[i], 2)
		if d := limit.Take(now, victims[i], 1); d.OK {
			t.Fatalf("%+v", d)
		}
	}
	before := heap()
	buffer := []byte("flood-")
	for i := range keys {
		now += 5 * time.Microsecond // the whole flood takes less than a minute: whoever was refused still is
		limit.Take(now, string(strconv.AppendInt(buffer, int64(i), 10)), 1)
		if i%10_000 == 0 {
			if d := limit.Take(now, victims[i/10_000%refused], 1); d.OK {
				t.Fatalf("after %d keys, who was refused has a fresh bucket: %+v", i, d)
			}
		}
	}
	for _, victim := range victims {
		if d := limit.Take(now, victim, 1); d.OK {
			t.Fatalf("%s has a fresh bucket: %+v", victim, d)
		}
	}
	s := limit.Snapshot()
	if s.Keys > room || s.Overflowed < keys/2 {
		t.Errorf("%+v", s)
	}
	if grown := heap() - before; grown > room*128 {
		t.Errorf("%d bytes more after the flood, with room for %d keys", grown, room)
	}
	now += 3 * time.Minute // all are full again, so that there is room for others
	for i := range 1000 {
		limit.Take(now, "later-"+strconv.Itoa(i), 1)
	}
	if after := limit.Snapshot(); after.Overflowed != s.Overflowed || after.Keys > room {
		t.Errorf("after the flood: %+v", after)
	}
	runtime.KeepAlive(limit)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
