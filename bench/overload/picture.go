package overload

// Pictures of the suite. They have one shape and one number of workers, and the seed 1.
var (
	pictured     = &Shapes[1]
	curveLoads   = []float64{0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.7, 2, 2.5, 3, 4, 5, 6, 7, 8, 10}
	curveWorkers = 10
	lineWorkers  = 100
)

// Curve is the goodput of a contender over the offered load, both as parts of the capacity.
func Curve(c Contender, play func(r *Run) *Record) Line {
	line := Line{Name: c.Name}
	for _, load := range curveLoads {
		s := &Scenario{Group: Steps, Name: "curve", before: 0.7, load: load}
		rec := play(&Run{Scenario: s, Shape: pictured, Workers: curveWorkers, Seed: 1, Contender: c})
		line.X = append(line.X, load)
		line.Y = append(line.Y, rec.Result().Goodput*min(load, 1))
	}
	return line
}

// Curves is the picture of several contenders.
func Curves(lines []Line) *Plot {
	return &Plot{
		Title: "Answers in time, by what is offered", X: "offered load / capacity", Y: "goodput / capacity",
		Lines: lines, Log: true, Top: 1.1,
	}
}

// Course is the picture of a run over time.
func Course(title string, r *Run, play func(r *Run) *Record) *Plot {
	rec := play(r)
	const every = 2 * tick
	capacity := float64(every) * float64(r.Workers) / float64(r.Shape.Mean)
	lines := []Line{{Name: "offered / capacity"}, {Name: "answered in time / capacity"}, {Name: "refused / capacity"}, {Name: "limit / workers"}}
	top := 0.0
	for at := Instant(0); at+every <= rec.phases.end(); at += every {
		sum := rec.between(at, at+every)
		limit := rec.tick(at).limit
		if limit == 0 { // nothing was answered
			limit = rec.tick(max(at-every, 0)).limit
		}
		for i, v := range []float64{float64(sum.offered) / capacity, float64(sum.answered) / capacity, float64(sum.refused) / capacity, limit / float64(r.Workers)} {
			lines[i].X = append(lines[i].X, at.Seconds())
			lines[i].Y = append(lines[i].Y, v)
			top = max(top, v)
		}
	}
	p := rec.phases
	return &Plot{
		Title: title, X: "seconds", Y: "multiples of the capacity, and of the workers", Lines: lines, Top: 1.05 * top,
		Shade: [2]float64{p.before.Seconds(), (p.before + p.trouble).Seconds()},
	}
}

// Courses are the pictures of ours over time, by file name.
func Courses() map[string]*Plot {
	play := func(r *Run) *Record { return r.Play(nil) }
	course := func(title string, s *Scenario, c Contender) *Plot {
		return Course(title, &Run{Scenario: s, Shape: pictured, Workers: lineWorkers, Seed: 1, Contender: c}, play)
	}
	step := &Scenario{Group: Steps, Name: "picture", before: 0.7, load: 5}
	slower := &Scenario{Group: Slower, Name: "picture", before: 0.7, load: 0.7, slow: 3}
	return map[string]*Plot{
		"step.svg":   course("Load 0.7 → 5 → 0.7 of the capacity", step, Ours),
		"slower.svg": course("At a load of 0.7 the service gets three times slower, and back", slower, Ours),
	}
}
