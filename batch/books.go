package batch

import (
	"context"

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
}

// Balance draws the books of an institution: every order and file, recounted. Balanced means that nothing is in work, nothing waits, and every file's columns agree.
func (p *Plant) Balance(ctx context.Context, i store.Institution) (Books, error) {
	b := Books{Balanced: true}
	if err := p.balanceOrders(ctx, i, &b); err != nil {
		return b, err
	}
	if err := p.balanceFiles(ctx, i, &b); err != nil {
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
		}
		if len(orders) < booksPage {
			return nil
		}
	}
}

func (p *Plant) balanceFiles(ctx context.Context, i store.Institution, b *Books) error {
	for before := int64(0); ; {
		files, err := p.Store.Files(ctx, i.ID, before, booksPage)
		if err != nil {
			return err
		}
		for _, f := range files {
			before = f.Number
			if f.State == card.FileCancelled {
				continue
			}
			fb, err := p.BalanceFile(ctx, f)
			if err != nil {
				return err
			}
			b.Files = append(b.Files, fb)
			b.Spoiled += fb.Spoiled
			b.Balanced = b.Balanced && fb.Balanced
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
	lines, err := p.Store.RecountLines(ctx, f)
	if err != nil {
		return b, err
	}
	b.Recount = lines
	b.Problem = imbalance(f, lines)
	b.Balanced = b.Problem == "" && b.Open == 0 && f.State >= card.FileBalanced && f.State != card.FileCancelled
	return b, nil
}
