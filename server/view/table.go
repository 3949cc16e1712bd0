// Package view makes text for a terminal of what the admin API says.
//
// Its functions are pure: from a picture, or two with a time between them, to text. What comes from outside, such as
// names, cannot move the cursor or change colours.
package view

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Style says how text is made. The zero value is plain text with times in UTC.
type Style struct {
	// Color uses the colours of an ANSI terminal.
	Color bool
	// Zone is the time zone of the person who reads. Default: UTC.
	Zone *time.Location
	// Rows bounds each list of a screen that refreshes. Default: 10.
	Rows int
}

// tone is what colour says: how good or bad something is.
type tone string

const (
	plain  tone = ""
	good   tone = "\x1b[32m"
	warn   tone = "\x1b[33m"
	bad    tone = "\x1b[31m"
	strong tone = "\x1b[1m"
	faint  tone = "\x1b[2m"
	reset       = "\x1b[0m"
)

// paint colours a text.
func (s Style) paint(t tone, text string) string {
	if !s.Color || t == plain || text == "" {
		return text
	}
	return string(t) + text + reset
}

// zone is where the reader is.
func (s Style) zone() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}

// clock is a time as short as it is clear at the time now: without the day when that is today's.
func (s Style) clock(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	at, now = at.In(s.zone()), now.In(s.zone())
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format(time.TimeOnly)
	}
	return at.Format(time.DateTime)
}

// cell is one field of a table.
type cell struct {
	text string
	tone tone
}

// table is rows of cells under a head, in aligned columns. Columns without content are left out.
type table struct {
	title string
	head  []string // a name that begins with ">" is of a column of numbers
	rows  [][]cell
}

func (t *table) row(cells ...cell) { t.rows = append(t.rows, cells) }

// text writes the table; nothing when it has no rows.
func (t *table) text(s Style, b *strings.Builder) {
	if len(t.rows) == 0 {
		return
	}
	b.WriteByte('\n')
	if t.title != "" {
		b.WriteString(s.paint(strong, clean(t.title)) + "\n")
	}
	widths := t.widths()
	head := make([]cell, len(t.head))
	for i, name := range t.head {
		head[i] = cell{strings.TrimPrefix(name, ">"), faint}
	}
	t.line(s, b, head, widths)
	for _, row := range t.rows {
		t.line(s, b, row, widths)
	}
}

// widths are those of the columns; 0 for one without content.
func (t *table) widths() []int {
	widths := make([]int, len(t.head))
	for _, row := range t.rows {
		for i := range row {
			row[i].text = clean(row[i].text)
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
	}
	for i, name := range t.head {
		if widths[i] > 0 {
			widths[i] = max(widths[i], utf8.RuneCountInString(strings.TrimPrefix(name, ">")))
		}
	}
	return widths
}

func (t *table) line(s Style, b *strings.Builder, row []cell, widths []int) {
	var line strings.Builder
	for i, c := range row {
		if widths[i] == 0 {
			continue
		}
		space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
		line.WriteString("  ")
		if strings.HasPrefix(t.head[i], ">") {
			line.WriteString(space + s.paint(c.tone, c.text))
		} else {
			line.WriteString(s.paint(c.tone, c.text) + space)
		}
	}
	b.WriteString(strings.TrimRight(line.String(), " "))
	b.WriteByte('\n')
}

// clean makes one harmless line of a text.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
