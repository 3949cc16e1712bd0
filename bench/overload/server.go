package overload

import "math"

// job is work that the server does: a call, or the refusal of one.
type job struct {
	ends float64 // when this much work has been done for it, on the scale of server.work
	call *call   // nil for a refusal
}

// server does work. It knows neither deadlines nor priorities. All jobs that run get the same share, so one scale of work
// done orders them: a job ends when the scale has advanced by what it needs.
type server struct {
	workers int
	sharing bool    // all jobs run at once and share the workers; otherwise each has one, and the others wait in a row
	speed   float64 // of a worker

	work    float64 // done for each job that runs, in nanoseconds at speed 1
	at      Instant
	running []job // a heap by ends
	row     []job // that wait, from first on
	first   int
	chores  int     // refusals that wait; they go before all others
	chore   float64 // what one needs
}

// rate is how fast each running job goes.
func (s *server) rate() float64 {
	if n := len(s.running); s.sharing && n > s.workers {
		return s.speed * float64(s.workers) / float64(n)
	}
	return s.speed
}

// next is when the next job ends.
func (s *server) next() Instant {
	if len(s.running) == 0 || s.speed == 0 {
		return math.MaxInt64
	}
	return s.at + Instant(math.Ceil(max(s.running[0].ends-s.work, 0)/s.rate()))
}

// advance does the work up to an instant. It is to be called before anything changes.
func (s *server) advance(now Instant) {
	if len(s.running) > 0 {
		s.work += float64(now-s.at) * s.rate()
	}
	s.at = now
}

// begin takes in a job that needs so much work.
func (s *server) begin(needs float64, c *call) {
	if s.sharing || len(s.running) < s.workers {
		s.push(job{s.work + needs, c})
		return
	}
	s.row = append(s.row, job{needs, c})
}

// done takes out a job that has ended.
func (s *server) done() (c *call, ok bool) {
	if len(s.running) == 0 || s.running[0].ends > s.work+0.5 {
		return nil, false
	}
	c = s.pop().call
	switch {
	case s.chores > 0:
		s.chores--
		s.push(job{s.work + s.chore, nil})
	case s.first < len(s.row):
		j := s.row[s.first]
		s.first++
		if s.first > 1024 && 2*s.first > len(s.row) {
			s.row, s.first = s.row[:copy(s.row, s.row[s.first:])], 0
		}
		s.push(job{s.work + j.ends, j.call})
	}
	return c, true
}

// begun is how much of the calls that run is done: as a number of calls, and as work.
func (s *server) begun() (parts, work float64) {
	for _, j := range s.running {
		if j.call != nil {
			did := j.call.needs - max(j.ends-s.work, 0)
			parts += did / j.call.needs
			work += did
		}
	}
	return parts, work
}

// refuse does the work that a refusal takes.
func (s *server) refuse() {
	if s.sharing || len(s.running) < s.workers {
		s.push(job{s.work + s.chore, nil})
		return
	}
	s.chores++
}

func (s *server) push(j job) {
	s.running = append(s.running, j)
	h := s.running
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 4
		if h[up].ends <= j.ends {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = j
}

func (s *server) pop() job {
	h := s.running
	top, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	s.running = h
	i := 0
	for {
		least := 4*i + 1
		if least >= len(h) {
			break
		}
		for child := least + 1; child < min(4*i+5, len(h)); child++ {
			if h[child].ends < h[least].ends {
				least = child
			}
		}
		if last.ends <= h[least].ends {
			break
		}
		h[i] = h[least]
		i = least
	}
	if len(h) > 0 {
		h[i] = last
	}
	return top
}
