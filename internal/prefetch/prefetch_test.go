package prefetch

import "testing"

// What is fetched stays as it is, wherever it is, and there may be nothing.
func TestWriteChangesNothing(t *testing.T) {
	values := make([]int64, 1000)
	for i := range values {
		values[i] = int64(i)
		Write(&values[i])
	}
	var none *int64
	Write(none)
	for i, v := range values {
		if v != int64(i) {
			t.Errorf("%d became %d", i, v)
		}
	}
}
