package logql

func (p *parser) lineFilter() Stage {
	f := &LineFilter{Op: p.next().text}
	for {
		if p.is("ip") {
			p.fail(p.peek(), "ip() is not known here, expected a string")
		}
		f.Texts = append(f.Texts, p.text("a string in quotes"))
		if !p.accept("or") {
			return f
		}
	}
}

const stageNames = "a stage (json, logfmt, pattern, regexp, line_format, label_format, drop, keep, unwrap) or a label filter"

// stage reads what comes after a "|".
func (p *parser) stage() Stage {
	t := p.peek()
	// After json and logfmt a line filter may follow: there != does not compare a label of that name.
	filtered := (t.text == "json" || t.text == "logfmt") && p.after(1).kind == tokenMark && p.after(1).text[0] == '!'
	if t.kind == tokenName && (filtered || !comparison(p.after(1))) {
		switch t.text {
		case "json":
			p.next()
			return &JSON{p.extractions()}
		case "logfmt":
			p.next()
			return p.logfmt()
		case "pattern":
			p.next()
			return &Pattern{p.text("a pattern in quotes")}
		case "regexp":
			p.next()
			return &Regexp{p.text("a regular expression in quotes")}
		case "line_format":
			p.next()
			return &LineFormat{p.text("a template in quotes")}
		case "label_format":
			p.next()
			return &LabelFormat{p.assignments()}
		case "drop":
			p.next()
			return &Drop{p.picks()}
		case "keep":
			p.next()
			return &Keep{p.picks()}
		case "unwrap":
			p.next()
			return p.unwrap()
		}
	}
	if t.kind != tokenName && !p.is("(") || t.kind == tokenName && !comparison(p.after(1)) {
		p.expected(stageNames)
	}
	return &LabelFilter{p.condition()}
}

func comparison(t token) bool {
	if t.kind != tokenMark {
		return false
	}
	switch t.text {
	case "=", "==", "!=", "=~", "!~", ">", ">=", "<", "<=":
		return true
	}
	return false
}

// extractions reads a="path", b, … up to what is none; there may be none at all.
func (p *parser) extractions() []Extraction {
	var list []Extraction
	for p.peek().kind == tokenName {
		x := Extraction{Label: p.next().text}
		if x.Path = x.Label; p.accept("=") {
			x.Path = p.text("a path in quotes")
		}
		list = append(list, x)
		if !p.accept(",") {
			break
		}
		if p.peek().kind != tokenName {
			p.expected("a label")
		}
	}
	return list
}

func (p *parser) logfmt() Stage {
	s := &Logfmt{}
	for p.peek().kind == tokenFlag {
		switch flag := p.peek(); flag.text {
		case "--strict":
			s.Strict = true
		case "--keep-empty":
			s.KeepEmpty = true
		default:
			p.expected("--strict or --keep-empty")
			return s
		}
		p.next()
	}
	s.Extract = p.extractions()
	return s
}

func (p *parser) assignments() []Assignment {
	var list []Assignment
	for {
		a := Assignment{Label: p.name("a label")}
		p.expect("=")
		switch t := p.peek(); t.kind {
		case tokenString:
			a.Template = p.next().text
		case tokenName:
			a.From = p.next().text
		default:
			p.expected("a label or a template in quotes")
		}
		list = append(list, a)
		if !p.accept(",") {
			return list
		}
	}
}

// picks reads a, b="x", …
func (p *parser) picks() []LabelPick {
	var list []LabelPick
	for {
		pick := LabelPick{}
		if comparison(p.after(1)) {
			if pick.Matcher = p.matcher(); pick.Matcher != nil {
				pick.Label = pick.Matcher.Name
			}
		} else {
			pick.Label = p.name("a label")
		}
		list = append(list, pick)
		if !p.accept(",") {
			return list
		}
	}
}

func (p *parser) unwrap() Stage {
	at := p.peek()
	name := p.name("a label or a conversion")
	if !p.accept("(") {
		return &Unwrap{Label: name}
	}
	switch name {
	case "duration", "duration_seconds", "bytes":
	default:
		p.fail(at, "unknown conversion %s, expected duration, duration_seconds or bytes", quote(name))
	}
	u := &Unwrap{Label: p.name("a label"), Convert: name}
	p.expect(")")
	return u
}

// condition reads comparisons joined by and, or, "," or nothing at all, which both mean and.
func (p *parser) condition() Condition {
	c := p.term()
	for n := 0; p.err == nil; n++ {
		op := "and"
		switch t := p.peek(); {
		case p.is("and", "or"):
			op = p.next().text
		case p.accept(","):
		case t.kind == tokenName && comparison(p.after(1)) || p.is("("):
		default:
			return c
		}
		if n == MaxStages {
			p.fail(p.peek(), "more than %d comparisons", MaxStages)
		}
		c = &BoolCondition{op, c, p.term()}
	}
	return c
}

func (p *parser) term() Condition {
	p.enter()
	defer p.leave()
	if p.accept("(") {
		c := p.condition()
		p.expect(")")
		return c
	}
	if !comparison(p.after(1)) {
		if p.name("a label"); p.err == nil {
			p.expected("a comparison")
		}
		return nil
	}
	op, value := p.after(1), p.after(2)
	if value.kind == tokenString {
		if op.text == "==" || op.text[0] == '>' || op.text[0] == '<' {
			p.fail(value, "unexpected %s, expected a number, a duration or a size", value.describe())
		}
		return &TextCondition{p.matcher()}
	}
	c := &ValueCondition{Label: p.name("a label"), Op: p.next().text}
	switch c.Op {
	case "=":
		c.Op = "=="
	case "=~", "!~":
		p.expected("a string in quotes")
	}
	return p.value(c)
}

func (p *parser) value(c *ValueCondition) Condition {
	negative := p.accept("-")
	if p.peek().kind != tokenNumber {
		p.expected("a string, a number, a duration or a size")
		return c
	}
	t := p.next()
	var err error
	if c.Value, c.Unit, err = parseValue(t.text); err != nil {
		p.fail(t, "%s is %s", t.describe(), err)
	}
	if negative {
		c.Value = -c.Value
	}
	return c
}
