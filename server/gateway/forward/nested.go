package forward

import (
	"strconv"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

const (
	// headerAttempt of a request is the number of the try.
	headerAttempt = "X-Gabion-Attempt"
	// headerGaveUp of the answer to such a request says that what failed was tried again further in, until that was given up.
	headerGaveUp = "X-Gabion-Gave-Up"
)

// maxAttempt bounds what is believed of it.
const maxAttempt = 1000

// outerAttempt is the number of the try that a request says it is; 1 when it says nothing.
func outerAttempt(r *exchange.Request) int {
	n, err := strconv.ParseUint(r.Header.Get(headerAttempt), 10, 31)
	if err != nil || n < 1 || n > maxAttempt {
		return 1
	}
	return int(n)
}

// nested tells whether failures are not for this gateway to retry: the request is a retry of somebody further out, who
// goes on, or somebody further in has given up on it. Layers that all retry would multiply.
func (c *call) nested() bool {
	return c.outer > 1 || c.reply != nil && c.reply.Header.Get(headerGaveUp) != ""
}

// gaveUp tells those who said which try it is that what failed has been tried again.
func (c *call) gaveUp() {
	tried := c.at.service.Retry() != nil
	if c.reply != nil && c.reply.Header.Get(headerGaveUp) != "" {
		c.reply.Header.Del(headerGaveUp)
		tried = true
	}
	if tried && c.fixed == nil && c.failed() && c.x.Request.Header.Get(headerAttempt) != "" {
		c.x.Reply.Set(headerGaveUp, "true")
	}
}
