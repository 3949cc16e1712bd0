package front

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// TestRefusedIsTold: whoever counts requests hears of those that come to no route, once each.
func TestRefusedIsTold(t *testing.T) {
	told := make(chan exchange.Exchange, 10)
	b := setup(t, unreached(t), func(c *Config) {
		c.Refused = func(x *exchange.Exchange) {
			told <- exchange.Exchange{Request: x.Request, Record: x.Record, Wall: x.Wall}
		}
		c.HeaderTimeout = 100 * time.Millisecond
	})
	for _, test := range []struct {
		name, text   string
		status       int
		problem      string
		method, path string
	}{
		{"a path that means two things", "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", 400, exchange.BadRequest, "GET", "/a/../b"},
		{"a body that is too large", "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413, exchange.BodyTooLarge, "PUT", "/x"},
		{"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, exchange.BadRequest, "", ""},
		{"no request", "what\r\n\r\n", 400, exchange.BadRequest, "", ""},
		{"a head that is too large", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", 431, exchange.HeaderTooLarge, "", ""},
		{"a head that comes too slowly", "GET / HTTP/1.1\r\nHo", 408, exchange.RequestTimeout, "", ""},
		{"another version", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, exchange.Version, "", ""},
	} {
		conn := dial(t, b.address)
		io.WriteString(conn, test.text)
		x := await(t, test.name, told)
		r := &x.Record
		if r.Status != test.status || r.Problem != test.problem || x.Request.Method != test.method || x.Request.Path != test.path ||
			x.Request.Client.String() != "127.0.0.1" || x.Wall.IsZero() {
			t.Errorf("%s: %+v %+v", test.name, x.Request, x.Record)
		}
		conn.Close()
	}
	if len(told) > 0 {
		t.Errorf("one was told of twice: %+v", <-told)
	}
}
