package overload

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// Plot is a line chart.
type Plot struct {
	Title, X, Y string
	Lines       []Line
	// Log says that x is on a logarithmic scale.
	Log bool
	// Top is the end of the y axis; it begins at 0.
	Top float64
	// Shade marks a part of the x axis.
	Shade [2]float64
}

// Line of a plot. Points are joined in their order.
type Line struct {
	Name string
	X, Y []float64
}

const (
	width, height                                    = 830, 400
	marginLeft, marginRight, marginTop, marginBottom = 60, 240, 40, 50
)

// colours can be told apart in print and by those who do not see red or green (Okabe and Ito).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#777777"}

// scale maps values to the picture.
type scale struct {
	from, to float64 // values
	low, end float64 // places
	log      bool
}

func (s scale) at(v float64) float64 {
	from, to := s.from, s.to
	if s.log {
		v, from, to = math.Log(v), math.Log(from), math.Log(to)
	}
	return s.low + (v-from)/(to-from)*(s.end-s.low)
}

// SVG draws the plot.
func (p *Plot) SVG() string {
	from, to := math.Inf(1), math.Inf(-1)
	for _, l := range p.Lines {
		for _, x := range l.X {
			from, to = min(from, x), max(to, x)
		}
	}
	x := scale{from, to, marginLeft, width - marginRight, p.Log}
	y := scale{0, p.Top, height - marginBottom, marginTop, false}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	if p.Shade[1] > p.Shade[0] {
		fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="#f2f2f2"/>`+"\n",
			x.at(p.Shade[0]), marginTop, x.at(p.Shade[1])-x.at(p.Shade[0]), height-marginTop-marginBottom)
	}
	label(&b, marginLeft, 22, "start", 15, p.Title)
	label(&b, (marginLeft+width-marginRight)/2, height-12, "middle", 12, p.X)
	label(&b, marginLeft, marginTop-6, "start", 12, p.Y)
	p.axes(&b, x, y)
	for i, l := range p.Lines {
		colour := colours[i%len(colours)]
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="1.8" points="`, colour)
		for j := range l.X {
			fmt.Fprintf(&b, "%.1f,%.1f ", x.at(l.X[j]), y.at(min(l.Y[j], p.Top)))
		}
		b.WriteString(`"/>` + "\n")
		at := marginTop + 12 + 20*i
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="3"/>`+"\n", width-marginRight+14, at, width-marginRight+36, at, colour)
		label(&b, width-marginRight+42, at+4, "start", 12, l.Name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// axes draws the frame with ticks.
func (p *Plot) axes(b *strings.Builder, x, y scale) {
	for _, v := range marks(0, p.Top) {
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#dddddd"/>`+"\n", marginLeft, y.at(v), width-marginRight, y.at(v))
		label(b, marginLeft-6, int(y.at(v))+4, "end", 12, fmt.Sprintf("%g", v))
	}
	values := marks(x.from, x.to)
	if p.Log {
		values = []float64{0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10}
	}
	for _, v := range values {
		if v < x.from || v > x.to {
			continue
		}
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#999999"/>`+"\n", x.at(v), height-marginBottom, x.at(v), height-marginBottom+4)
		label(b, int(x.at(v)), height-marginBottom+18, "middle", 12, fmt.Sprintf("%g", v))
	}
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#999999"/>`+"\n",
		marginLeft, marginTop, width-marginLeft-marginRight, height-marginTop-marginBottom)
}

// marks are round values between two others, five to ten of them.
func marks(from, to float64) []float64 {
	step := math.Pow(10, math.Floor(math.Log10((to-from)/4)))
	for _, times := range []float64{1, 2, 5} {
		if (to-from)/(step*times) <= 10 {
			step *= times
			break
		}
	}
	var all []float64
	for i := math.Ceil(from / step); i*step <= to*(1+1e-9); i++ {
		all = append(all, math.Round(i*step*1e9)/1e9)
	}
	return all
}

func label(b *strings.Builder, x, y int, anchor string, size int, text string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="%s" font-size="%d">`, x, y, anchor, size)
	// Escaping fails only when writing does, and a Builder does not.
	_ = xml.EscapeText(b, []byte(text))
	b.WriteString("</text>\n")
}
