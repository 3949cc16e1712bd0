package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gabion-io/gabion/server/api/client"
)

// pageLines is how many lines are asked for at once: no query gives more.
const pageLines = 5000

// newest asks for the newest lines of a time, page by page, the newest page first.
func (l *logs) newest(ctx context.Context, from, to time.Time) (lines []client.Line, err error) {
	again := recent{} // lines that the next page may begin with, too: those of its last moment
	for len(lines) < l.limit {
		n := min(l.limit-len(lines)+len(again.order), pageLines)
		answer, err := l.client.Logs(ctx, l.query, from, to, n)
		if err != nil {
			return nil, err
		}
		l.tell(answer.Remarks)
		page := answer.Lines
		if len(page) == 0 {
			break
		}
		last, whole := page[0].At, len(page) < n
		fresh := again.fresh(page)
		lines = slices.Concat(fresh, lines)
		if whole {
			break
		}
		again, to = recent{}, last.Add(1)
		for _, line := range lines {
			if !line.At.Equal(last) {
				break
			}
			again.order = append(again.order, identity(line))
		}
		if len(again.order) >= pageLines { // there may be more, but they cannot be asked for
			fmt.Fprintf(l.err, "gabion: of %s, not all lines are shown: there are too many\n", last.Local().Format(time.DateTime))
			again, to = recent{}, last
		}
		again.connect()
	}
	return lines[max(0, len(lines)-l.limit):], nil
}
