package batch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"golang.org/x/sync/errgroup"

	"platen/card"
	"platen/hsm"
	"platen/sql/store"
)

// mintChunk is how many lines one transaction makes. A crash costs at most this many, and a cancelled order is noticed after so many.
const mintChunk = 10_000

// Mint makes the cards and issues of a claimed file without building it; Build goes on from there.
func (p *Plant) Mint(ctx context.Context, number, epoch int64) error {
	return p.claimed(ctx, number, epoch, func(ctx context.Context, j *job) error {
		if err := j.begin(ctx); err != nil {
			return err
		}
		return j.mint(ctx)
	})
}

// mint makes the cards and issues of a file's lines, chunk by chunk from its cursor: each chunk and the cursor move in one transaction under the file's
// epoch, so that no line is made twice. The next chunk is prepared while the last one commits.
func (j *job) mint(ctx context.Context) error {
	slices, err := j.Store.Slices(ctx, j.file.Number)
	if err != nil {
		return err
	}
	ready := make(chan prepared)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(ready)
		for c := range j.chunks(slices) {
			p := j.prepareChunk(ctx, c)
			select {
			case ready <- p:
			case <-ctx.Done():
				return ctx.Err()
			}
			if p.err != nil {
				return nil // whoever commits tells of it, after all that came before
			}
		}
		return nil
	})
	g.Go(func() error {
		for p := range ready {
			if err := j.commit(ctx, p); err != nil {
				return fmt.Errorf("mint file %d line %d: %w", j.file.Number, p.first, err)
			}
		}
		return nil
	})
	return g.Wait()
}

// chunk is neighbouring lines of a file, of one slice or many.
type chunk struct {
	first, last int64
	parts       []part
}

// part is lines done+1 to done+n of a slice.
type part struct {
	store.Slice
	done, n int64
}

// line is the file's line of the part's i-th.
func (p *part) line(i int64) int64 { return p.FirstLine + p.done + i }

// chunks cuts a file's slices into chunks, from its cursor on.
func (j *job) chunks(slices []store.Slice) iter.Seq[chunk] {
	return func(yield func(chunk) bool) {
		c := chunk{first: j.file.Minted + 1, last: j.file.Minted}
		for _, s := range slices {
			for done := max(c.last+1-s.FirstLine, 0); done < s.Quantity; {
				n := min(s.Quantity-done, mintChunk-(c.last+1-c.first))
				c.parts = append(c.parts, part{s, done, n})
				c.last = s.FirstLine - 1 + done + n
				done += n
				if c.last+1-c.first < mintChunk {
					continue
				}
				if !yield(c) {
					return
				}
				c = chunk{first: c.last + 1, last: c.last}
			}
		}
		if len(c.parts) > 0 {
			yield(c)
		}
	}
}

// prepared is a chunk that is ready to be written, or why it is not.
type prepared struct {
	chunk
	cards, issues *store.Bulk
	writes        []func(context.Context, *store.Tx) error
	err           error
}

// prepareChunk makes all that a chunk writes, but for what only its transaction may decide.
func (j *job) prepareChunk(ctx context.Context, c chunk) prepared {
	p := prepared{chunk: c}
	p.err = j.fill(ctx, &p)
	return p
}

func (j *job) fill(ctx context.Context, p *prepared) error {
	if j.file.Purpose == store.MailerPurpose {
		return j.mailers(ctx, p)
	}
	lines, err := j.linesOf(ctx, p.chunk)
	if err != nil {
		return err
	}
	made := &minted{first: p.first}
	p.instants()
	if err := j.newCards(ctx, p, made, lines); err != nil {
		return err
	}
	if err := j.reissues(ctx, p, made, lines); err != nil {
		return err
	}
	p.cards, p.issues = j.Store.NewCards(made.cards), j.Store.NewIssues(made.issues)
	return nil
}

// instants lets a chunk's transaction mark the lines as made whose cards were made when they were ordered.
func (p *prepared) instants() {
	var units []orderUnit
	for i := range p.parts {
		for n := range p.parts[i].n {
			if p.parts[i].Kind == store.InstantSlice {
				units = append(units, orderUnit{p.parts[i].Source, p.parts[i].FirstUnit + p.parts[i].done + n})
			}
		}
	}
	if len(units) > 0 {
		p.writes = append(p.writes, func(ctx context.Context, tx *store.Tx) error { return markMade(ctx, tx, units) })
	}
}

// commit writes a chunk and moves the cursor behind it.
func (j *job) commit(ctx context.Context, p prepared) error {
	if p.err != nil {
		return p.err
	}
	if p.first != j.file.Minted+1 || p.last > j.file.Planned || p.parts[0].line(0) != p.first {
		return errors.New("the file's slices do not follow one another")
	}
	err := j.Store.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.AdvanceMint(ctx, j.file.Number, j.file.Epoch, p.first-1, p.last); err != nil {
			return err
		}
		for _, rows := range []*store.Bulk{p.cards, p.issues} {
			if rows == nil {
				continue
			}
			if err := tx.Insert(ctx, rows); err != nil {
				return err
			}
		}
		for _, write := range p.writes {
			if err := write(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	j.file.Minted = p.last
	if p.issues != nil {
		j.Observe.CardsMinted(p.issues.Len())
	}
	return nil
}

// linesOf finds the order line of each line of a chunk; nil where a line is of an issue that exists.
func (j *job) linesOf(ctx context.Context, c chunk) ([]*store.MintLine, error) {
	lines, err := j.Store.MintLines(ctx, j.file.Number, c.parts[0].FirstLine, c.first, c.last)
	if err != nil {
		return nil, err
	}
	out := make([]*store.MintLine, 0, c.last-c.first+1)
	at := 0
	for i := range c.parts {
		p := &c.parts[i]
		if p.line(0) != c.first+int64(len(out)) {
			return nil, fmt.Errorf("its slices leave a gap before line %d", p.line(0))
		}
		for n := range p.n {
			if p.Kind == store.AttachSlice || p.Kind == store.InstantSlice {
				out = append(out, nil)
				continue
			}
			unit := p.FirstUnit + p.done + n
			for at < len(lines) && (lines[at].Slice != p.FirstLine || unit >= lines[at].Unit+lines[at].Quantity) {
				at++
			}
			if at == len(lines) || unit < lines[at].Unit {
				return nil, fmt.Errorf("order %d unit %d has no line", p.Source, unit)
			}
			out = append(out, &lines[at])
		}
	}
	return out, nil
}

// minted is what a chunk makes, by its lines.
type minted struct {
	first  int64 // the chunk's first line
	cards  []store.Card
	issues []store.Issue
}

// pinSheet is the material that the security module makes, a card an element.
type pinSheet struct {
	pans    []card.PAN
	objects []uint64
	pins    []hsm.PIN
	pvvs    []hsm.PVV
	offsets []hsm.Offset
	text    []string // offsets as they are stored
	numbers []int    // PVVs as they are stored
}

func newPINSheet(n int) *pinSheet {
	return &pinSheet{pans: make([]card.PAN, n), objects: make([]uint64, n), pins: make([]hsm.PIN, n), pvvs: make([]hsm.PVV, n), offsets: make([]hsm.Offset, n),
		text: make([]string, n), numbers: make([]int, n)}
}

// pinObject numbers the PIN of an issue for a seeded source of randomness.
func pinObject(id card.ID, issue int) uint64 { return uint64(id)*64 + uint64(issue)%64 }

// put gives an issue the PIN data of element i, as the product's method has it. The issue shares the sheet's memory.
func (m *pinSheet) put(issue *store.Issue, method card.PINMethod, i int) error {
	issue.PVV, issue.Offset, issue.PIN = nil, nil, nil
	switch method {
	case card.RandomPIN:
		n, err := strconv.Atoi(string(m.pvvs[i][:]))
		if err != nil {
			return errors.New("a PIN verification value is no number")
		}
		m.numbers[i] = n
		issue.PVV = &m.numbers[i]
	case card.DerivedPIN:
		m.text[i] = string(m.offsets[i].Digits[:m.offsets[i].N])
		issue.Offset = &m.text[i]
	default:
		return nil
	}
	issue.PIN = m.pins[i].Bytes()
	return nil
}

// mailers puts PIN mailers on the lines of a mailer file, once the card file has made the issues they belong to. Those that are made again have their
// lines since the plan.
func (j *job) mailers(ctx context.Context, p *prepared) error {
	for _, s := range p.parts {
		if s.Kind == store.AttachSlice {
			continue
		}
		source, err := j.Store.FileByNumber(ctx, s.Source)
		if err != nil {
			return err
		}
		first := s.FirstUnit + s.done
		// Until it is frozen, its lines may still change.
		if !source.Frozen {
			return fmt.Errorf("file %d is not minted so far: %w", s.Source, ErrNotYet)
		}
		p.writes = append(p.writes, func(ctx context.Context, tx *store.Tx) error {
			return tx.InsertMailers(ctx, s.Source, first, s.n, j.file.Number, s.line(0))
		})
	}
	return nil
}
