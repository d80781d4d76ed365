package batch

import (
	"context"
	"fmt"
	"time"

	"platen/card"
	"platen/sql/store"
)

// FileBooks are one file's columns side by side. -1 stands for a column that has no evidence yet.
type FileBooks struct {
	File     store.File
	Planned  int64
	Minted   int64
	Sealed   int64
	Acked    int64
	Produced int64
	Rejected int64
	Spoiled  int64
	Open     int64
	Recount  store.LineCounts
	Balanced bool
	Problem  string
}

// OrderBooks are one order's cards by fate.
type OrderBooks struct {
	Order store.Order
	store.Fates
	Balanced bool // nothing is in work
}

// Books are the trial balance of an institution.
type Books struct {
	Orders    []OrderBooks
	Files     []FileBooks
	Requested int64
	Produced  int64
	Rejected  int64
	Cancelled int64
	Spoiled   int64
	Remade    int64
	Open      int64 // cards in work
	Waiting   int64 // issues that wait for a file
	Refused   int64 // rows that wait for a correction
	Balanced  bool
	OfLines   bool // no order is shown, and the sums are of the files' lines: requested = produced + rejected + spoiled + open
}

// BooksOf narrows books down. The zero value is all of an institution, now.
type BooksOf struct {
	File   int64  // number; 0 = all
	Order  string // the client's reference; empty = all
	Bureau string // code; empty = all. Orders are left out then: they are spread over bureaus

	// At is a moment in the past: what was known then, by the events and the answers that had come. Zero is now.
	At time.Time
}

// Balance draws the books of an institution: every order and file, recounted. Balanced means that nothing is in work, nothing waits, and every file's columns agree.
func (p *Plant) Balance(ctx context.Context, i store.Institution) (Books, error) {
	return p.BalanceOf(ctx, i, BooksOf{})
}

// BalanceOf draws the books of a part of an institution, or of a moment in its past.
func (p *Plant) BalanceOf(ctx context.Context, i store.Institution, of BooksOf) (Books, error) {
	switch {
	case !of.At.IsZero():
		return p.balanceAt(ctx, i, of)
	case of.File != 0 || of.Bureau != "":
		return p.balanceFilesOf(ctx, i, of)
	case of.Order != "":
		return p.balanceOrderOf(ctx, i, of.Order)
	}
	b := Books{Balanced: true}
	if err := p.balanceOrders(ctx, i, &b); err != nil {
		return b, err
	}
	if err := p.balanceFiles(ctx, i, "", &b); err != nil {
		return b, err
	}
	all, err := p.Store.Ranges(ctx)
	if err != nil {
		return b, err
	}
	ranges := make([]store.PANRange, 0, len(all))
	for _, r := range all {
		if r.Institution == i.ID {
			ranges = append(ranges, r)
		}
	}
	if b.Waiting, err = p.Store.WaitingCount(ctx, ranges); err != nil {
		return b, err
	}
	b.Balanced = b.Balanced && b.Waiting == 0
	return b, nil
}

// balanceFilesOf draws the books of one file, or of one bureau's files. The sums are of their lines.
func (p *Plant) balanceFilesOf(ctx context.Context, i store.Institution, of BooksOf) (Books, error) {
	b := Books{Balanced: true}
	if of.File == 0 {
		if err := p.balanceFiles(ctx, i, of.Bureau, &b); err != nil {
			return b, err
		}
	} else {
		f, err := p.Store.FileByNumber(ctx, of.File)
		if err == nil && f.Institution != i.ID {
			err = fmt.Errorf("file %d: %w", of.File, store.ErrNotFound)
		}
		if err != nil {
			return b, err
		}
		if err := p.addFile(ctx, f, &b); err != nil {
			return b, err
		}
	}
	b.sumFiles()
	return b, nil
}

// sumFiles makes the sums those of the files' lines.
func (b *Books) sumFiles() {
	b.OfLines = true
	b.Requested, b.Produced, b.Rejected, b.Spoiled, b.Open = 0, 0, 0, 0, 0
	for _, f := range b.Files {
		b.Requested += f.Planned
		b.Produced += f.Produced
		b.Rejected += f.Rejected
		b.Spoiled += f.Spoiled
		b.Open += f.Open
	}
}

// balanceOrderOf draws the books of one order and of every file that carries a card of it.
func (p *Plant) balanceOrderOf(ctx context.Context, i store.Institution, reference string) (Books, error) {
	b := Books{Balanced: true}
	o, err := p.Store.OrderByReference(ctx, i.ID, reference)
	if err != nil {
		return b, err
	}
	if err := p.addOrder(ctx, o, &b); err != nil {
		return b, err
	}
	numbers, err := p.Store.FilesOfOrder(ctx, o.Number)
	if err != nil {
		return b, err
	}
	for _, number := range numbers {
		f, err := p.Store.FileByNumber(ctx, number)
		if err != nil {
			return b, err
		}
		if err := p.addFile(ctx, f, &b); err != nil {
			return b, err
		}
	}
	b.Waiting, err = p.Store.WaitingOfOrder(ctx, o.Number)
	return b, err
}

const booksPage = 200

func (p *Plant) balanceOrders(ctx context.Context, i store.Institution, b *Books) error {
	for before := int64(0); ; {
		orders, err := p.Store.Orders(ctx, i.ID, before, booksPage)
		if err != nil {
			return err
		}
		for _, o := range orders {
			before = o.Number
			if o.State == card.OrderReceived {
				continue
			}
			if err := p.addOrder(ctx, o, b); err != nil {
				return err
			}
		}
		if len(orders) < booksPage {
			return nil
		}
	}
}

func (p *Plant) addOrder(ctx context.Context, o store.Order, b *Books) error {
	f, err := p.Store.FatesOf(ctx, o)
	if err != nil {
		return err
	}
	ob := OrderBooks{Order: o, Fates: f, Balanced: f.InWork() == 0}
	b.Orders = append(b.Orders, ob)
	b.Requested += f.Requested
	b.Produced += f.Fulfilled
	b.Rejected += f.Rejected
	b.Cancelled += f.Cancelled
	b.Remade += f.Remade
	b.Open += f.InWork()
	b.Refused += o.RefusedRows
	b.Balanced = b.Balanced && ob.Balanced
	return nil
}

func (p *Plant) addFile(ctx context.Context, f store.File, b *Books) error {
	fb, err := p.BalanceFile(ctx, f)
	if err != nil {
		return err
	}
	b.Files = append(b.Files, fb)
	b.Spoiled += fb.Spoiled
	b.Balanced = b.Balanced && fb.Balanced
	return nil
}

// balanceFiles adds an institution's files, or those for one bureau.
func (p *Plant) balanceFiles(ctx context.Context, i store.Institution, bureau string, b *Books) error {
	for before := int64(0); ; {
		files, err := p.Store.Files(ctx, i.ID, before, booksPage)
		if err != nil {
			return err
		}
		for _, f := range files {
			before = f.Number
			if f.State == card.FileCancelled || bureau != "" && f.BureauCode != bureau {
				continue
			}
			if err := p.addFile(ctx, f, b); err != nil {
				return err
			}
		}
		if len(files) < booksPage {
			return nil
		}
	}
}

// BalanceFile draws the books of one file.
func (p *Plant) BalanceFile(ctx context.Context, f store.File) (FileBooks, error) {
	b := FileBooks{File: f, Planned: f.Planned, Minted: f.Minted, Sealed: -1, Acked: -1, Produced: f.Produced, Rejected: f.Rejected, Spoiled: f.Spoiled}
	if f.Sealed != nil {
		b.Sealed = *f.Sealed
	}
	if f.AckRead != nil {
		b.Acked = *f.AckRead
	}
	b.Open = f.Planned - f.Produced - f.Rejected - f.Spoiled
	// Only while answers come in can lines say other than the file has counted: its balance was proved by a recount, and each chunk of answers after it is.
	// Everything is counted again by Check.
	lines := store.LineCounts{Lines: f.Minted, Produced: f.Produced, Rejected: f.Rejected, Spoiled: f.Spoiled}
	if f.State >= card.FileSent && f.State < card.FileBalanced {
		var err error
		if lines, err = p.Store.RecountLines(ctx, f); err != nil {
			return b, err
		}
	}
	b.Recount = lines
	b.Problem = imbalance(f, lines)
	b.Balanced = b.Problem == "" && b.Open == 0 && f.State >= card.FileBalanced && f.State != card.FileCancelled
	return b, nil
}
