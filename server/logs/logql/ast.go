package logql

import "time"

// Expr is a query: a [*LogExpr], or one of the others, which give numbers. String writes it in one line in a form that [Parse] reads as the same.
type Expr interface {
	String() string
	expr()
}

// LogExpr selects lines and passes them through stages.
type LogExpr struct {
	Matchers []*Matcher
	Stages   []Stage
}

// RangeExpr computes something of the lines of the last Range before each moment.
type RangeExpr struct {
	Op string // count_over_time, rate, …
	// Quantile is the first argument of quantile_over_time, from 0 to 1.
	Quantile float64
	Log      *LogExpr // its stages may have one [*Unwrap]
	Range    time.Duration
	Offset   time.Duration
	Grouping *Grouping // nil: none
}

// AggregateExpr puts series together.
type AggregateExpr struct {
	Op       string // sum, avg, min, max, count, stddev, stdvar, topk, bottomk, sort, sort_desc
	K        int    // how many, of topk and bottomk
	Inner    Expr
	Grouping *Grouping // nil: all into one
}

// Grouping tells which labels remain.
type Grouping struct {
	Without bool
	Labels  []string
}

// BinaryExpr computes with two sides.
type BinaryExpr struct {
	Op          string // + - * / % ^ == != > >= < <= and or unless
	Bool        bool   // a comparison gives 0 or 1, instead of filtering
	Matching    *Matching
	Left, Right Expr
}

// Matching tells which series of both sides belong together.
type Matching struct {
	On     bool // only by the labels, else by all but these
	Labels []string
	// Many is "left" or "right" for the side that may have several series for one of the other; "" for none.
	Many string
	// Include are labels to take over from the other side.
	Include []string
}

// NumberExpr is a number.
type NumberExpr struct{ Value float64 }

// VectorExpr is a series without labels that has a value always.
type VectorExpr struct{ Value float64 }

// LabelReplaceExpr sets the label Target to Replacement where the label Source matches Regexp.
type LabelReplaceExpr struct {
	Inner                               Expr
	Target, Replacement, Source, Regexp string
}

func (*LogExpr) expr()          {}
func (*RangeExpr) expr()        {}
func (*AggregateExpr) expr()    {}
func (*BinaryExpr) expr()       {}
func (*NumberExpr) expr()       {}
func (*VectorExpr) expr()       {}
func (*LabelReplaceExpr) expr() {}

// Stage is one step of a pipeline.
type Stage interface {
	String() string
	// compile gives the function that does it: it changes the record, and says whether the line stays.
	compile() (step, error)
}

// LineFilter keeps lines by their text: Op is |= (has), != (has not), |~ (matches), !~ (does not match), |> and !> (a pattern with <_>). With several texts
// one of them suffices.
type LineFilter struct {
	Op    string
	Texts []string
}

// JSON extracts from a line that is a JSON object: everything, or only Extract.
type JSON struct{ Extract []Extraction }

// Logfmt extracts from a line of key=value: everything, or only Extract.
type Logfmt struct {
	Strict    bool // a mistake in the line is an error, instead of being passed over
	KeepEmpty bool // keys without a value become empty labels
	Extract   []Extraction
}

// Extraction is a label to extract and where it is: a path such as a.b[0] for [JSON], a key for [Logfmt].
type Extraction struct{ Label, Path string }

// Pattern extracts by a pattern such as <ip> - <_> "<method> <path>".
type Pattern struct{ Pattern string }

// Regexp extracts by a regular expression with named groups.
type Regexp struct{ Regexp string }

// LabelFilter keeps lines by their labels.
type LabelFilter struct{ Condition Condition }

// LineFormat replaces the text by what a template gives.
type LineFormat struct{ Template string }

// LabelFormat sets labels.
type LabelFormat struct{ Assign []Assignment }

// Assignment renames the label From, or sets Label to what a template gives when From is "".
type Assignment struct{ Label, From, Template string }

// Drop removes labels.
type Drop struct{ Labels []LabelPick }

// Keep removes all labels but those named.
type Keep struct{ Labels []LabelPick }

// LabelPick names a label, on a condition unless Matcher is nil.
type LabelPick struct {
	Label   string
	Matcher *Matcher
}

// Unwrap takes the value of a label as the number to aggregate. Convert is "", "duration" (to seconds), "duration_seconds" or "bytes".
type Unwrap struct{ Label, Convert string }

// Condition is what a [LabelFilter] asks.
type Condition interface {
	String() string
	test(r *record) bool
}

// BoolCondition joins two; Op is "and" or "or". As documented, neither binds closer: a or b and c is (a or b) and c.
type BoolCondition struct {
	Op          string
	Left, Right Condition
}

// TextCondition compares as text.
type TextCondition struct{ Matcher *Matcher }

// ValueCondition compares as a number. Op is ==, !=, >, >=, < or <=.
type ValueCondition struct {
	Label, Op string
	Value     float64
	Unit      Unit
}

// Unit is what kind of number a value is.
type Unit uint8

// The units.
const (
	Plain    Unit = iota
	Duration      // in nanoseconds
	Bytes
)
