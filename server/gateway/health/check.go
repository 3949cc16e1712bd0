package health

// Check counts the results of regular checks. The zero value is healthy, and not yet checked.
type Check struct {
	down    bool
	checked bool
	run     int    // results in a row that speak against the present state
	reason  string // of the last bad result
}

// Result takes the result of one check: "" when it was good, or what was wrong. down bad results in a row make it
// unhealthy, and up good ones healthy again. It returns whether that has changed now.
func (c *Check) Result(problem string, down, up int) (changed bool) {
	c.checked = true
	bad := problem != ""
	if bad {
		c.reason = problem
	}
	if bad == c.down {
		c.run = 0
		return false
	}
	c.run++
	if bad && c.run < down || !bad && c.run < up {
		return false
	}
	c.down, c.run = bad, 0
	return true
}

// Down says whether it is unhealthy.
func (c *Check) Down() bool { return c.down }

// Checked says whether there was any result.
func (c *Check) Checked() bool { return c.checked }

// Reason is what was wrong with the last bad result, while it is unhealthy.
func (c *Check) Reason() string {
	if !c.down {
		return ""
	}
	return c.reason
}
