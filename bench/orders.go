package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"

	"platen/batch"
	"platen/card"
	"platen/sql/store"
)

// Names and places of the named order; what bureaus cannot emboss as it stands is among them.
var (
	givenNames = []string{"Anna", "Günther", "Paweł", "Zoë", "Marie-Claire", "Jörg", "Łukasz", "François", "Søren", "Iñigo", "Chiara", "Ulrike", "Tomáš", "Réka", "Olivia", "Noah"}
	surnames   = []string{"Müller", "Żak", "O'Brien", "d'Angelo", "Schäuffele", "Nowak", "Lefèvre", "Jensen", "García", "Rossi", "Šimek", "Szabó", "van der Berg", "Smith", "Keller"}
	places     = []string{"Königsallee 19,,Düsseldorf,NRW,40212,DE", "al. Trzech Wieszczów 22,,Poznań,wielkopolskie,61-001,PL", "14 rue de l'Église,Bât. C,Saint-Étienne,Loire,42000,FR", "Via Roma 7,,Torino,TO,10121,IT"}
)

// namedRows is the order file of n named cards.
func namedRows(n int64) []byte {
	var text bytes.Buffer
	text.WriteString("product,title,first_name,last_name,emboss_name,customer_reference,address1,address2,city,region,postcode,country,delivery,branch,language,expiry,same_day\n")
	for i := range n {
		fmt.Fprintf(&text, "visa-debit-chip,,%s,%s,,CIF-%08d,%s,STANDARD,,en,,\n", givenNames[i%int64(len(givenNames))], surnames[i/7%int64(len(surnames))], i, places[i%int64(len(places))])
	}
	return text.Bytes()
}

// intake measures how fast a named order is accepted and checked.
func (b *bench) intake(ctx context.Context) error {
	body := namedRows(b.size.Order)
	var all []float64
	for range b.size.Slow {
		err := b.onPostgres(ctx, func(s *Site) error {
			started := time.Now()
			r, err := s.accept(ctx, "NAMED", bytes.NewReader(body))
			if err == nil && r.Order.Requested != b.size.Order {
				err = fmt.Errorf("%d rows were accepted, not %d", r.Order.Requested, b.size.Order)
			}
			all = append(all, rate(b.size.Order, time.Since(started)))
			return err
		})
		if err != nil {
			return fmt.Errorf("measure intake: %w", err)
		}
	}
	b.add(Line{What: fmt.Sprintf("named order of %d CSV rows accepted and checked", b.size.Order), Value: median(all), Unit: "rows/s", Target: "≥ 40000", Reached: holds(median(all) >= 40_000), Rounds: b.size.Slow})
	return nil
}

// spoilEvery is how many cards a bureau makes for each that it spoils.
const spoilEvery = 500

// answered has every file answered for by its bureau, a status line a card, and returns how many lines a second were proved and applied.
func (s *Site) answered(ctx context.Context, list []store.File) (float64, error) {
	var took time.Duration
	lines := int64(0)
	for i := range list {
		if err := s.sent(ctx, list[i]); err != nil {
			return 0, err
		}
		if err := s.leave(ctx, list[i], i); err != nil {
			return 0, err
		}
		var due []store.Due
		err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) (err error) {
			due, err = tx.ClaimReturns(ctx, 3600)
			return err
		})
		if err != nil {
			return 0, err
		}
		if len(due) != 1 {
			return 0, fmt.Errorf("%d answers are due, not one", len(due))
		}
		started := time.Now()
		if err := s.Plant.ApplyReturn(ctx, due[0].Number, due[0].Epoch); err != nil {
			return 0, err
		}
		took += time.Since(started)
		r, err := s.Plant.Store.ReturnByNumber(ctx, due[0].Number)
		if err != nil {
			return 0, err
		}
		if r.State != card.ReturnApplied || r.Applied != list[i].Planned {
			return 0, fmt.Errorf("an answer is %s with %d of %d lines applied", r.State, r.Applied, list[i].Planned)
		}
		lines += r.Applied
	}
	return rate(lines, took), nil
}

// sent takes a sealed file as if its bureau had acknowledged it.
func (s *Site) sent(ctx context.Context, f store.File) error {
	return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		f, err := tx.LockFile(ctx, f.Number)
		if err != nil {
			return err
		}
		if err := tx.AckCounts(ctx, f.Number, f.Planned, f.Planned, 0); err != nil {
			return err
		}
		for _, next := range []card.FileState{card.FileSending, card.FileSent, card.FileAcknowledged, card.FileReconciling} {
			if err := tx.MoveFile(ctx, &f, next, ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// statusText is a bureau's answer for a file.
func statusText(f store.File) []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "H,status,v1,%s,20270105,083000,%d\n", bureau, f.Number)
	for line := int64(1); line <= f.Planned; line++ {
		status, reason := card.IssueProduced.String(), ""
		if line%spoilEvery == 0 {
			status, reason = card.IssueSpoiled.String(), "CHIP"
		}
		fmt.Fprintf(&text, "D,%d,%s,%s,%s,%s,2027-01-05T08:30:00Z,1,\n", f.Number, batch.RecordUID(f.Number, line), product, status, reason)
	}
	fmt.Fprintf(&text, "T,%d\n", f.Planned)
	return text.Bytes()
}

// leave stores a bureau's answer as the inbox does when it has fetched one.
func (s *Site) leave(ctx context.Context, f store.File, n int) error {
	body := statusText(f)
	sum := sha256.Sum256(body)
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make an id: %w", err)
	}
	return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		r, err := tx.InsertReturn(ctx, store.ReturnFile{ID: id, Institution: f.Institution, Bureau: f.Bureau, BureauCode: f.BureauCode, Name: fmt.Sprintf("%d.status", n),
			Size: int64(len(body)), CreatedAt: s.Plant.Now()})
		if err != nil {
			return err
		}
		if err := tx.MoveReturn(ctx, &r, card.ReturnStable, ""); err != nil {
			return err
		}
		chunks, err := s.Plant.SealReturn(r.Number, body)
		if err != nil {
			return err
		}
		if err := tx.StoreReturn(ctx, r.Number, sum[:], r.Size, chunks); err != nil {
			return err
		}
		return tx.MoveReturn(ctx, &r, card.ReturnStored, "")
	})
}
