package logs

import "io"

// Tee returns a writer for the process's own log: each line goes to feed, which must neither block nor keep it, and then
// to w, whose result counts. It wants whole lines, as slog's handlers write them.
func Tee(w io.Writer, feed func(line []byte)) io.Writer { return tee{w, feed} }

type tee struct {
	io.Writer
	feed func([]byte)
}

func (t tee) Write(line []byte) (int, error) {
	t.feed(line)
	return t.Writer.Write(line)
}
