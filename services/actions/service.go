package actions

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/services/cards"
	"platen/services/customers"
	"platen/services/pins"
	"platen/sql/store"
)

// Service carries out card actions of a plant's institutions.
type Service struct {
	Plant     *batch.Plant
	Customers *customers.Service
	Pins      *pins.Service
}

// New is the service over a plant.
func New(plant *batch.Plant) *Service {
	return &Service{Plant: plant, Customers: &customers.Service{Plant: plant}, Pins: &pins.Service{Plant: plant}}
}

// Done is what came of a card action.
type Done struct {
	Request
	Reason      card.Reason  // of what is made; 0 = nothing is
	Order       *store.Order // that the next cycle makes it by; nil = none was needed
	Repeat      bool         // the order's reference and content were here before
	Outstanding int          // plastics of the card that are out and were not given back
}

// Do carries a card action out. It fails with *RefusedError where a rule of the action is broken, and with what the layers below refuse.
func (s *Service) Do(ctx context.Context, a cards.Act, r Request) (Done, error) {
	story, err := s.Plant.ExplainCard(ctx, a.Institution, a.Card)
	if err != nil {
		return Done{}, err
	}
	product, err := s.Plant.Product(ctx, a.Institution, story.Product)
	if err != nil {
		return Done{}, err
	}
	d := Done{Request: r}
	if product.Technology == card.Virtual {
		return d, errVirtual
	}
	f, err := s.facts(ctx, a, &story, product)
	if err != nil {
		return d, err
	}
	if err := d.check(f); err != nil {
		return d, err
	}
	d.Outstanding = f.outstanding
	if d.Reason, err = s.reason(ctx, a, &d.Request); err != nil {
		return d, err
	}
	switch d.Action {
	case None:
		return d, s.takeBack(ctx, a, story.Card.ID)
	case Returned:
		return d, s.giveBack(ctx, a, &story, &d)
	case Mailer:
		err := s.Pins.Mail(ctx, a, d.NewPIN, func(tx *store.Tx) error { return s.record(ctx, tx, a, story.Card.ID, &d) })
		return d, err
	case Additional:
		return d, s.additional(ctx, a, &story, &d)
	}
	return d, s.order(ctx, a, &story, product, &d)
}

// facts are what the rules know of a card.
func (s *Service) facts(ctx context.Context, a cards.Act, story *batch.Story, p *card.Product) (facts, error) {
	f := facts{smart: p.Technology.HasChip()}
	out, err := s.outstanding(ctx, story)
	if err != nil {
		return f, err
	}
	f.outstanding = len(out)
	f.issued = slices.ContainsFunc(story.Issues, func(i batch.IssueStory) bool { return i.File != nil && i.File.State != card.FileCancelled })
	if f.issued {
		return f, nil
	}
	made, err := s.Plant.Productions(ctx, a.Institution, story.Token)
	f.waits = slices.ContainsFunc(made, func(p batch.Production) bool {
		return p.Kind == batch.CardProduction && p.ID != batch.NextProduction && p.Waits()
	})
	return f, err
}

// outstanding lists the issues whose plastics are out of the house and may be used, and were not given back, oldest first.
func (s *Service) outstanding(ctx context.Context, story *batch.Story) ([]int, error) {
	back, err := s.Plant.Store.ReturnedPlastics(ctx, story.Card.ID)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, i := range story.Issues {
		usable := i.Use == card.UsePending || i.Use == card.UseCurrent
		if usable && isOut(&i) && !slices.Contains(back, i.Issue.Issue) {
			out = append(out, i.Issue.Issue)
		}
	}
	return out, nil
}

// isOut tells whether a plastic has left for its bureau, and nothing says that none came of it.
func isOut(i *batch.IssueStory) bool {
	switch i.State {
	case card.IssueRejected, card.IssueSpoiled, card.IssueReturned, card.IssueDestroyed, card.IssueLostInTransit, card.IssueCancelled:
		return false
	}
	return i.File != nil && i.File.SentAt != nil && i.File.State != card.FileCancelled && i.File.State != card.FileRefused
}

// reason is what an action is for: what the institution's letter means, or what the action is for by itself. Letters of actions that make nothing are only kept.
func (s *Service) reason(ctx context.Context, a cards.Act, r *Request) (card.Reason, error) {
	allowed := reasons[r.Action]
	if r.Letter == "" {
		if len(allowed) == 0 {
			return 0, nil
		}
		return allowed[0], nil
	}
	settings, err := s.Plant.Settings(ctx, a.Institution)
	if err != nil {
		return 0, err
	}
	meant, known := settings.ActionReason(r.Letter)
	switch {
	case !known, len(allowed) > 1 && !slices.Contains(allowed, meant):
		return 0, errLetter
	case len(allowed) == 0:
		return 0, nil
	case len(allowed) == 1:
		return allowed[0], nil
	}
	return meant, nil
}

// takeBack takes back whatever of a card waits for a file.
func (s *Service) takeBack(ctx context.Context, a cards.Act, id card.ID) error {
	made, err := s.Plant.Productions(ctx, a.Institution, a.Card)
	if err != nil {
		return err
	}
	for _, p := range made {
		if !p.Waits() {
			continue
		}
		if err := s.Plant.CancelProduction(ctx, a.Institution, a.Card, p.ID, "card action 0", a.Actor); err != nil && !errors.Is(err, batch.ErrMade) {
			return err
		}
	}
	return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error { return s.record(ctx, tx, a, id, &Done{}) })
}

// giveBack keeps that plastics were given back: the oldest that are outstanding.
func (s *Service) giveBack(ctx context.Context, a cards.Act, story *batch.Story, d *Done) error {
	return s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		if _, err := tx.LockCard(ctx, story.Card.ID); err != nil {
			return err
		}
		back, err := tx.ReturnedPlastics(ctx, story.Card.ID)
		if err != nil {
			return err
		}
		left := d.Returned
		d.Outstanding = 0
		for _, i := range story.Issues {
			usable := i.Use == card.UsePending || i.Use == card.UseCurrent
			switch {
			case !usable || !isOut(&i) || slices.Contains(back, i.Issue.Issue):
			case left == 0:
				d.Outstanding++
			default:
				left--
				if err := tx.ReturnPlastic(ctx, story.Card.ID, i.Issue.Issue, s.Plant.Now()); err != nil {
					return err
				}
			}
		}
		if left > 0 { // somebody else was faster
			return errOverReturned
		}
		return s.record(ctx, tx, a, story.Card.ID, d)
	})
}

// order asks for the card's next issue, or for what takes its place.
func (s *Service) order(ctx context.Context, a cards.Act, story *batch.Story, p *card.Product, d *Done) error {
	row := formats.Row{Line: 2, Card: story.Token, Reason: d.Reason.String(), EmbossName: d.EmbossName}
	if d.SameDay {
		served, err := s.Plant.SameDayServes(ctx, a.Institution, p.Bureau)
		if err != nil {
			return err
		}
		if !served {
			return errNoSameDay
		}
	}
	if d.SameDay || d.Action == Emergency {
		row.SameDay = "true"
	}
	if d.Reason == card.NameChange && row.EmbossName == "" {
		name, err := s.holderName(ctx, a, story)
		if err != nil {
			return err
		}
		row.EmbossName = name
	}
	var also func(context.Context, *store.Tx, store.Order) error
	if d.Action == First && p.PIN.Mailer {
		also = func(ctx context.Context, tx *store.Tx, _ store.Order) error {
			return s.mailFirst(ctx, tx, a, story.Card.ID)
		}
	}
	return s.submit(ctx, a, story, d, formats.ActionOrder, row, also)
}

// mailFirst lets the PIN mailer of a card's first plastic wait for a file: the mailer that was to come with it was taken back together with the plastic that was ordered before. A card
// that has no PIN any more gets none.
func (s *Service) mailFirst(ctx context.Context, tx *store.Tx, a cards.Act, id card.ID) error {
	err := s.Pins.MailWithin(ctx, tx, a, id)
	if errors.Is(err, batch.ErrNoMailer) || errors.Is(err, batch.ErrNoPIN) || errors.Is(err, batch.ErrMailerWaits) {
		return nil
	}
	return err
}

// holderName is what the holder of a card is called now; empty where nobody knows.
func (s *Service) holderName(ctx context.Context, a cards.Act, story *batch.Story) (string, error) {
	account, err := s.Customers.OfCard(ctx, a.Institution, story.Card)
	if err != nil || account == nil {
		return "", err
	}
	holder, err := s.Customers.Customer(ctx, a.Institution, account.Customer)
	return strings.TrimSpace(holder.FirstName + " " + holder.LastName), err
}

// additional orders another card like the one that there is, on the same account.
func (s *Service) additional(ctx context.Context, a cards.Act, story *batch.Story, d *Done) error {
	kind, row, err := s.Plant.RowOfCard(ctx, story)
	if err != nil {
		return err
	}
	if d.EmbossName != "" {
		row.EmbossName = d.EmbossName
	}
	account, err := s.Customers.OfCard(ctx, a.Institution, story.Card)
	if err != nil {
		return err
	}
	var hang func(context.Context, *store.Tx, store.Order) error
	if account != nil {
		hang = s.Customers.Hang(a.Institution, account.Reference, story.Product)
	}
	d.Reason = card.Additional
	return s.submit(ctx, a, story, d, kind, row, hang)
}

func (s *Service) submit(ctx context.Context, a cards.Act, story *batch.Story, d *Done, kind formats.OrderKind, row formats.Row, also func(context.Context, *store.Tx, store.Order) error) error {
	content := strings.NewReader(strings.Join([]string{story.Token, row.Reason, row.EmbossName, row.SameDay, d.Letter}, "\n"))
	receipt, err := s.Plant.Submit(ctx, batch.Submission{Institution: a.Institution, Actor: a.Actor, Reference: d.Reference, Single: true, Body: content,
		Rows: func(io.Reader) (batch.Rows, error) { return batch.OneRow(kind, row), nil },
		Also: func(ctx context.Context, tx *store.Tx, o store.Order) error {
			d.Order = &o
			if also != nil {
				if err := also(ctx, tx, o); err != nil {
					return err
				}
			}
			return s.record(ctx, tx, a, story.Card.ID, d)
		}})
	if bad := new(batch.RowError); errors.As(err, &bad) {
		for _, f := range bad.Faults {
			switch f.Code {
			case "no_successor":
				return errNoSuccessor
			case "card_busy":
				return cards.ErrBusy
			}
		}
	}
	if err != nil {
		return err
	}
	d.Order, d.Repeat = &receipt.Order, receipt.Repeat
	return nil
}

// record tells the card's history of an action.
func (s *Service) record(ctx context.Context, tx *store.Tx, a cards.Act, id card.ID, d *Done) error {
	data := map[string]any{"by": a.Actor, "action": int(d.Action)}
	if d.Requested > 0 {
		data["requested"] = d.Requested
	}
	if d.Returned > 0 {
		data["returned"] = d.Returned
	}
	if d.Letter != "" {
		data["reason_code"] = d.Letter
	}
	if d.Order != nil {
		data["order"] = d.Order.ID.String()
	}
	return tx.Record(ctx, a.Institution.ID, "card", int64(id), "card_action", data, s.Plant.Now())
}
