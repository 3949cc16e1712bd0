package admission

import "math"

// tail learns how much longer than the mean the slowest calls take. Latencies are divided by the mean of their time before
// they are counted, so that the mean may change without spoiling what was learned about the shape.
type tail struct {
	counts [buckets]float32
	total  float32
	sum    float64 // of the ratios
	top    int     // no bucket above is in use
}

// Buckets are an eighth of an octave wide, from 1/16 of the mean to 256 times the mean.
const (
	buckets   = 96
	perOctave = 8
	lowest    = -4 // the exponent of the first bucket
	// forget is how many ratios are counted before all counts are halved.
	forget = 2048
	// faded is when a count has been halved so often that it is of no weight.
	faded = 1.0 / 256
)

func (t *tail) add(ratio float64) {
	i := bucketOf(ratio)
	t.top = max(t.top, i)
	t.counts[i]++
	t.total++
	t.sum += ratio
	if t.total >= forget {
		t.halve()
	}
}

func (t *tail) halve() {
	t.top = 0
	for i := range t.counts {
		if t.counts[i] /= 2; t.counts[i] < faded {
			t.counts[i] = 0
		} else {
			t.top = i
		}
	}
	t.total /= 2
	t.sum /= 2
}

// bucketOf reads the exponent and the first three bits of the mantissa.
func bucketOf(ratio float64) int {
	const first = (1023 + lowest) * perOctave
	return min(max(int(math.Float64bits(ratio)>>49)-first, 0), buckets-1)
}

// spread is the 99th percentile divided by the mean; 0 when nothing is known.
func (t *tail) spread() float64 {
	if t.sum == 0 {
		return 0
	}
	above := t.total / 100
	for i := t.top; i >= 0; i-- {
		if above -= t.counts[i]; above < 0 {
			return middle(i) / (t.sum / float64(t.total))
		}
	}
	return 0
}

// middle is the ratio in the middle of a bucket.
func middle(i int) float64 {
	return math.Ldexp(1+(float64(i%perOctave)+0.5)/perOctave, i/perOctave+lowest)
}
