package overload

import (
	"runtime"
	"sync"
)

// Outcome is a run with what came of it.
type Outcome struct {
	Run
	Result Result
	Missed Missed
}

// Part is a part of the suite: all its combinations are played.
type Part struct {
	Contender Contender
	Scenarios []Scenario
	Shapes    []Shape
	Workers   []int
	Sharing   bool
	Seeds     []uint64
}

// Runs of the part.
func (p *Part) Runs() []Run {
	var runs []Run
	for _, w := range p.Workers {
		for sc := range p.Scenarios {
			for sh := range p.Shapes {
				for _, seed := range p.Seeds {
					runs = append(runs, Run{&p.Scenarios[sc], &p.Shapes[sh], w, p.Sharing, seed, p.Contender})
				}
			}
		}
	}
	return runs
}

// Seeds are the numbers from first to last.
func Seeds(first, last uint64) []uint64 {
	var all []uint64
	for s := first; s <= last; s++ {
		all = append(all, s)
	}
	return all
}

// Play plays the part, several runs at once, and judges them. Where goals need the pool as a yardstick, it plays that, too.
func (p *Part) Play() []Outcome {
	runs := p.Runs()
	outcomes := make([]Outcome, len(runs))
	each(len(runs), func(i int) { outcomes[i] = judged(runs[i], runs[i].Play(nil).Result()) })
	return outcomes
}

// PlayWith plays the part one run after the other, with a player of one's own.
func (p *Part) PlayWith(play func(r *Run) *Record) []Outcome {
	var outcomes []Outcome
	for _, r := range p.Runs() {
		outcomes = append(outcomes, judged(r, play(&r).Result()))
	}
	return outcomes
}

// judged holds a result against its goals.
func judged(r Run, result Result) Outcome {
	var pool *Result
	if r.Workers < enough {
		reference := r
		reference.Contender = Pool
		played := reference.Play(nil).Result()
		pool = &played
	}
	return Outcome{r, result, r.Goals(pool).Judge(result)}
}

// each calls f for 0…n-1, on as many goroutines as there are processors.
func each(n int, f func(i int)) {
	var next sync.Mutex
	at := 0
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for {
				next.Lock()
				i := at
				at++
				next.Unlock()
				if i >= n {
					return
				}
				f(i)
			}
		})
	}
	all.Wait()
}
