package config

import (
	"regexp"
	"strings"
)

// forward checks where things are sent on to.
func (c *checker) forward() {
	for i, to := range c.file.Metrics.Forward {
		path := item("metrics.forward", i)
		c.receiver(path, to.URL, to.Access)
		for _, name := range sorted(to.Labels) {
			if at := join(join(path, "labels"), name); !labelName.MatchString(name) {
				c.failKey(at, "%q cannot be the name of a label", clip(name)).allow("letters, digits and _, no digit first")
			}
		}
	}
	for i, to := range c.file.Logs.Forward {
		path := item("logs.forward", i)
		c.receiver(path, to.URL, to.Access)
		if c.wrote(join(path, "where")) {
			c.where(join(path, "where"), to.Where)
		}
	}
	for i, to := range c.file.Traces.Forward {
		c.receiver(item("traces.forward", i), to.URL, to.Access)
	}
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// receiver checks a system that something is sent to.
func (c *checker) receiver(path string, to Link, access Access) {
	c.link(join(path, "url"), to)
	if access.User != "" && access.Token.IsZero() && c.readable(join(path, "token")) {
		c.fail(join(path, "user"), "%s.user needs a token, which is its password", path)
	}
	at := join(path, "header")
	for _, name := range sorted(access.Header) {
		if strings.EqualFold(name, "Authorization") {
			n := c.nearest(join(at, name))
			n.at.src.hide(n.at)
			c.failKey(join(at, name), "%s.header holds a secret; token takes a reference to one", path)
			continue
		}
		c.headerField(join(at, name), name, access.Header[name])
	}
}

// link checks a URL that Gabion is to send to, if it is not a reference.
func (c *checker) link(path string, to Link) {
	switch {
	case to.IsZero() && c.readable(path):
		c.fail(path, "%s is missing", path)
	case to.Text != "":
		c.webURL(path, to.Text)
	}
}
