package tier

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Rule is a roll-up: what the samples of a step sum up to.
type Rule struct {
	// Name is that of the series in the long tier, without the step that is appended to it: with a step of five minutes
	// gabion_http_requests_total:increase becomes gabion_http_requests_total:increase5m. It must have a colon, and end with
	// a letter.
	Name string
	// Expr is the expression, in PromQL, evaluated over raw at the end of each step. $step stands for the length of the step.
	// To count exactly it should use anchored ranges, as in increase(x[$step] anchored): these neither estimate nor leave out
	// what lies between two steps, so that the roll-ups add up to what raw says.
	Expr string
}

// DefaultRules are the roll-ups of what Gabion itself measures: counts, sums and histogram buckets, each over all
// instances.
func DefaultRules() []Rule {
	var rules []Rule
	for _, metric := range []string{
		"gabion_http_requests_total",
		"gabion_http_request_duration_seconds_bucket",
		"gabion_http_request_duration_seconds_sum",
		"gabion_http_request_duration_seconds_count",
		"gabion_http_request_body_bytes_sum",
		"gabion_http_request_body_bytes_count",
		"gabion_http_response_body_bytes_sum",
		"gabion_http_response_body_bytes_count",
		"gabion_retries_total",
		"gabion_problems_total",
		"gabion_endpoint_requests_total",
		"gabion_limit_decisions_total",
	} {
		rules = append(rules, Rule{metric + ":increase", "sum without (instance) (increase(" + metric + "[$step] anchored))"})
	}
	return rules
}

// at is the rule for a step: its name and its expression.
func (r Rule) at(step time.Duration) (name, expr string, err error) {
	length := model.Duration(step).String()
	name, expr = r.Name+length, strings.ReplaceAll(r.Expr, "$step", length)
	last := r.Name[max(len(r.Name)-1, 0):]
	if !model.LegacyValidation.IsValidMetricName(name) || !strings.Contains(r.Name, ":") || strings.ContainsAny(last, "0123456789:_") {
		return "", "", fmt.Errorf("tier: rule %q: its name must be that of a metric, have a colon, and end with a letter", r.Name)
	}
	if _, err := NewParser().ParseExpr(expr); err != nil {
		return "", "", fmt.Errorf("tier: rule %q: %w", r.Name, err)
	}
	return name, expr, nil
}
