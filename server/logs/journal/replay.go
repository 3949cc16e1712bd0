package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
)

// Replay gives all records from a position to where the journal ends when it begins, in their order. It may run while others
// append. A part that cannot be read is given as an error that is a [*DamageError], once; the loop may go on, and gets what comes
// after it. After any other error it ends: [ErrPosition], or one of the disk. Files that [Journal.Truncate] removes meanwhile
// are left out.
func (j *Journal) Replay(from Position) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		j.mu.Lock()
		r := replay{journal: j, files: slices.Clone(j.files), end: j.end, next: j.next, guessed: j.guessed, yield: yield}
		j.mu.Unlock()
		if from.Compare(r.end) > 0 {
			yield(Record{}, fmt.Errorf("%w: %v, the end is %v", ErrPosition, from, r.end))
			return
		}
		r.run(from)
	}
}

// replay is one pass over the journal.
type replay struct {
	journal *Journal
	files   []header
	end     Position
	next    uint64 // sequence behind the end
	guessed bool
	yield   func(Record, error) bool

	want uint64 // sequence of the next record; 0 when it is not known
}

func (r *replay) run(from Position) {
	for i, h := range r.files {
		if h.number < from.File {
			continue
		}
		p := filePass{replay: r, header: h, offset: firstOffset, lost: -1, limit: r.next, exact: !r.guessed, follows: true}
		if h.number == from.File {
			p.offset = max(from.Offset, firstOffset)
		}
		if p.offset == firstOffset && r.want == 0 {
			r.want = h.first // 0 when the header cannot be read
		}
		for n, later := range r.files[i+1:] {
			if later.version != 0 {
				p.limit, p.exact, p.follows = later.first, !later.guessed, n == 0
				break
			}
			p.follows = false
		}
		if !p.run() {
			return
		}
	}
}

// filePass is one pass over one file.
type filePass struct {
	*replay
	header  header
	offset  int64  // where it begins
	limit   uint64 // records from this sequence on are no part of the journal: a failed write left them
	exact   bool   // the limit is not a guess
	follows bool   // the file whose first sequence is the limit is the next one

	scanner *scanner
	lost    int64 // where the bytes begin that could not be read; -1 when there are none
	cause   string
	after   *intact
}

// intact is what can be read of a file, and was not yet given.
type intact struct {
	records int
	bytes   int64
}

// run gives the records of the file; false ends the replay.
func (p *filePass) run() bool {
	f, s, err := p.journal.open(p.header)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && p.journal.truncated(p.header.number) {
			p.want = 0
			return true
		}
		return p.fail(err)
	}
	defer f.Close()
	if p.header.number == p.end.File {
		s.size = min(s.size, p.end.Offset)
	}
	p.scanner = s
	if p.header.version == 0 {
		p.lose(0, "its header cannot be read")
		return p.finish()
	}
	if p.offset > s.size {
		p.lose(s.size, "it ends before that position")
		return p.finish()
	}
	return p.records() && p.finish()
}

func (p *filePass) fail(err error) bool {
	p.yield(Record{}, fmt.Errorf("journal: reading %s: %w", p.journal.path(p.header.number), err))
	return false
}

// lose notes that from there on something cannot be read.
func (p *filePass) lose(at int64, cause string) {
	if p.lost >= 0 {
		return
	}
	p.lost, p.cause = at, cause
	if err := p.scanner.failed; err != nil {
		p.cause += ": " + err.Error()
	}
}

func (p *filePass) records() bool {
	at := p.offset
	for f, err := range p.scanner.frames(at) {
		if err != nil {
			return p.fail(err)
		}
		if f.head.sequence >= p.limit {
			p.scanner.size = at
			break
		}
		if f.at > at {
			p.lose(at, "no record begins there")
		}
		at = f.end
		if !f.intact || f.head.sequence < p.want {
			p.lose(f.at, "the checksum of the record is wrong")
			continue
		}
		entries, err := decodePayload(f.head.codec, f.head.count, f.payload)
		if err != nil {
			p.lose(f.at, err.Error())
			continue
		}
		if p.want != 0 && f.head.sequence > p.want {
			p.lose(f.at, "records are missing")
		}
		if p.lost >= 0 && !p.damage(f.at, f.head.sequence, true) {
			return false
		}
		p.want = f.head.sequence + 1
		if p.after != nil {
			p.after.records--
			p.after.bytes -= f.end - f.at
		}
		number := p.header.number
		if !p.yield(Record{Position{number, f.at}, Position{number, f.end}, f.head.sequence, entries}, nil) {
			return false
		}
	}
	if at < p.scanner.size {
		p.lose(at, "no record begins there")
	}
	return true
}

// finish tells what is lost at the end of the file. What cannot be read there is no loss when the next file goes on with the
// next sequence: nobody was told that it was written.
func (p *filePass) finish() bool {
	switch {
	case !p.follows: // the file behind it tells what is missing
		if p.lost >= 0 {
			return p.damage(p.scanner.size, p.want, false)
		}
		return true
	case p.want == 0 && p.lost < 0, p.want == p.limit:
	default:
		p.lose(p.scanner.size, "records are missing at its end")
		if !p.damage(p.scanner.size, p.limit, p.exact) {
			return false
		}
	}
	p.want = p.limit
	return true
}

// damage tells what is lost up to that offset, where the record of that sequence is next.
func (p *filePass) damage(to int64, next uint64, exact bool) bool {
	if p.after == nil {
		after, err := p.count(to)
		if err != nil {
			return p.fail(err)
		}
		p.after = &after
	}
	d := &DamageError{
		File: p.journal.path(p.header.number), From: p.lost, To: to, Cause: p.cause,
		Records: next - p.want, More: !exact, IntactRecords: p.after.records, IntactBytes: p.after.bytes,
	}
	if p.want == 0 {
		d.Records, d.More = 1, true
	}
	p.lost = -1
	return p.yield(Record{}, d)
}

// count counts what can be read from there on.
func (p *filePass) count(at int64) (n intact, err error) {
	s := scanner{file: p.scanner.file, size: p.scanner.size, salt: p.scanner.salt}
	for f, err := range s.frames(at) {
		if err != nil {
			return n, err
		}
		if f.head.sequence >= p.limit {
			break
		}
		if f.intact {
			n.records++
			n.bytes += f.end - f.at
		}
	}
	return n, nil
}
