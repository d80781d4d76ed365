package jobs_test

import (
	"errors"
	"fmt"
	"slices"

	"platen/batch"
	"platen/card"
	"platen/sql/store"
)

// cancel takes back what can be taken back of an order.
func (w *walk) cancel() {
	w.t.Helper()
	n := len(w.orders)
	o := w.orders[n-1-w.dice.IntN(min(n, 40))]
	if o.number == 0 {
		return
	}
	w.what = "cancel a " + o.reason.String() + " that is " + o.where
	want := int64(0)
	for _, c := range w.cards {
		if i := c.newest(); i.order == o && i.file == 0 && i.state == "REQUESTED" {
			want, i.state = want+1, "CANCELLED"
		}
	}
	// A card that was made at once is not taken out of the file that its plastic was given a line in.
	if o.where == "open" || o.where == "planned" && !o.instant {
		want += int64(o.units)
		o.where = "withdrawn"
		w.takeBack(o)
	}
	got, err := w.plant.CancelOrder(w.t.Context(), w.inst, o.number, "walk", "walker")
	w.must(err)
	if got.Cancelled != want {
		w.wrong("%d cards are cancelled, where the model says %d", got.Cancelled, want)
	}
	if o.card != nil {
		w.look(o.card)
	}
}

// takePlasticBack takes back what is to be made of one card, and leaves the card.
func (w *walk) takePlasticBack(c *modelCard) {
	w.t.Helper()
	production := batch.NextProduction
	if c.asked == nil {
		production = fmt.Sprint(len(c.issues))
	}
	w.what = "take back production " + production
	var refused error
	i := c.newest()
	switch {
	case c.asked != nil:
		c.asked.where, c.asked = "withdrawn", nil
	case i.file != 0:
		refused = new(batch.InFileError)
	case i.state == "REQUESTED":
		i.state = "CANCELLED"
	case c.unmade != nil && i.state == "PREPARED":
		c.unmade.where, c.unmade = "withdrawn", nil
	default:
		refused = batch.ErrMade
	}
	err := w.plant.CancelProduction(w.t.Context(), w.inst, c.token, production, "walk", "walker")
	if held := new(batch.InFileError); errors.As(refused, &held) && errors.As(err, &held) {
		w.refusals++
	} else {
		w.expect(err, refused)
	}
	w.look(c)
}

func (w *walk) takeBack(o *modelOrder) {
	if !o.instant {
		if o.card != nil {
			o.card.asked = nil
		}
		return
	}
	o.card.unmade = nil
	o.card.newest().file, o.card.newest().line = 0, 0
	o.card.close()
}

// night goes on by one phase: plan, make, deliver, hear what became of it.
func (w *walk) night() {
	w.t.Helper()
	switch w.phase {
	case 0:
		w.plan()
	case 1:
		w.make()
	case 2:
		w.deliver()
	default:
		w.hear()
	}
	w.phase = (w.phase + 1) % 4
}

func (w *walk) plan() {
	w.t.Helper()
	w.what = "plan"
	w.nights++
	for _, o := range w.orders {
		if o.where == "open" && !o.held {
			o.where = "planned"
		}
	}
	w.files = nil
	for _, f := range w.planned(fmt.Sprint("night ", w.nights)) {
		w.files = append(w.files, f.Number)
	}
	w.place(func(c *modelCard, i *modelIssue) bool {
		return i.state == "REQUESTED" && !c.busy() || i.state == "PREPARED" && c.unmade != nil && c.unmade.where == "planned"
	})
}

// place finds out where the plan or the mint has put the issues that must have a place now.
func (w *walk) place(must func(*modelCard, *modelIssue) bool) {
	w.t.Helper()
	for _, c := range w.cards {
		for n, i := range c.issues {
			if i.file != 0 || i.state == "CANCELLED" || !must(c, i) {
				continue
			}
			stored, err := w.store.Issue(w.t.Context(), c.id, n+1)
			w.must(err)
			if stored.File == nil || stored.Line == nil {
				w.wrong("issue %d of card %s is in no file; the model has %s", n+1, c.token, c.shown())
			}
			i.file, i.state = *stored.File, "FOLLOWS_FILE"
		}
	}
}

// number finds out on which lines of the night's files the cards stand, now that none of these can be taken out any more.
func (w *walk) number() {
	w.t.Helper()
	for _, c := range w.cards {
		for n, i := range c.issues {
			if !slices.Contains(w.files, i.file) {
				continue
			}
			stored, err := w.store.Issue(w.t.Context(), c.id, n+1)
			w.must(err)
			if i.line = *stored.Line; w.atLine[[2]int64{i.file, i.line}] != nil {
				w.wrong("two cards are on line %d of file %d", i.line, i.file)
			}
			w.atLine[[2]int64{i.file, i.line}] = c
		}
	}
}

func (w *walk) make() {
	w.t.Helper()
	w.what = "make"
	w.buildAll()
	for _, o := range w.orders {
		if o.where != "planned" {
			continue
		}
		o.where = "made"
		switch c := o.card; {
		case o.instant:
			c.unmade = nil
		case c == nil:
			for unit := range o.units {
				w.add(fmt.Sprintf("%s#%d", o.reference, unit+1), o)
			}
		case closesOld(o.reason):
			c.asked = nil
			c.by = w.add(o.reference+"#1", o)
			c.close()
		default:
			c.asked = nil
			c.next(o)
		}
	}
	w.place(func(_ *modelCard, i *modelIssue) bool { return i.state == "FOLLOWS_FILE" })
	w.number()
	for _, c := range w.cards {
		if slices.Contains(w.files, c.newest().file) || w.dice.IntN(10) == 0 {
			w.look(c)
		}
	}
}

func (w *walk) buildAll() {
	w.t.Helper()
	for _, d := range w.claimed() {
		w.must(w.plant.Build(w.t.Context(), d.Number, d.Epoch))
	}
}

func (w *walk) deliver() {
	w.t.Helper()
	w.what = "deliver"
	for {
		due, err := w.plant.ClaimSends(w.t.Context())
		w.must(err)
		if len(due) == 0 {
			break
		}
		for _, d := range due {
			w.must(w.plant.Send(w.t.Context(), d.Number, d.Epoch))
			w.sent[d.Number] = true
		}
	}
}

// hear waits for the bureau's answers about the night's files, and takes them for what they are: each line is made, refused or spoiled.
func (w *walk) hear() {
	w.t.Helper()
	w.what = "hear"
	for n := 0; w.waiting(); n++ {
		if n == 100 {
			w.wrong("the bureau is silent about files %v", w.files)
		}
		w.must(w.sims["south"].Process(w.t.Context()))
		w.takeReturns()
	}
	for _, number := range w.files {
		f, err := w.store.FileByNumber(w.t.Context(), number)
		w.must(err)
		for line := range f.Planned {
			w.heard(number, line+1)
		}
	}
	w.files = nil
}

func (w *walk) waiting() bool {
	w.t.Helper()
	for _, number := range w.files {
		f, err := w.store.FileByNumber(w.t.Context(), number)
		w.must(err)
		if f.State != card.FileBalanced && f.State != card.FileCancelled {
			return true
		}
	}
	return false
}

func (w *walk) takeReturns() {
	w.t.Helper()
	ctx := w.t.Context()
	w.must(w.plant.Poll(ctx, w.inst, "south"))
	var due []store.Due
	w.must(w.store.InTx(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.ClaimReturns(ctx, batch.Lease)
		return err
	}))
	for _, d := range due {
		w.must(fenced(w.plant.ApplyReturn(ctx, d.Number, d.Epoch)))
	}
}

// heard takes over what the bureau said of one line by itself.
func (w *walk) heard(file, line int64) {
	w.t.Helper()
	c := w.atLine[[2]int64{file, line}]
	if c == nil {
		w.wrong("line %d of file %d is no card's", line, file)
	}
	for n, i := range c.issues {
		if i.file != file || i.line != line {
			continue
		}
		stored, err := w.store.Issue(w.t.Context(), c.id, n+1)
		w.must(err)
		word := stored.State.String()
		if word != "PRODUCED" && word != "REJECTED" && word != "SPOILED" {
			w.wrong("line %d of file %d is %s", line, file, word)
		}
		if i.state = word; word == "SPOILED" {
			c.spoiled(i)
		}
	}
	w.look(c)
}

// news are words of the bureau about cards that it has had for long: late ones, repeated ones, impossible ones.
func (w *walk) news() {
	w.t.Helper()
	w.what = "news"
	if w.phase == 3 {
		return // answers about the night's own files would come along
	}
	words := []string{"ACCEPTED", "IN_PRODUCTION", "PRODUCED", "DISPATCHED", "IN_TRANSIT", "DELIVERED", "REJECTED", "SPOILED", "RETURNED", "DESTROYED", "LOST_IN_TRANSIT"}
	about := w.some()
	var lines [][3]string
	want := map[store.Outcome]int64{}
	var touched []*modelCard
	file := about.newest().file
	for _, c := range w.cards {
		for _, i := range c.issues {
			if i.file != file || !w.sent[file] || i.state == "FOLLOWS_FILE" || w.dice.IntN(2) == 0 {
				continue
			}
			word := words[w.dice.IntN(len(words))]
			lines = append(lines, [3]string{batch.RecordUID(i.file, i.line), word, "walk"})
			outcome := told(i.state, word)
			want[outcome]++
			if outcome == store.LineApplied {
				if i.state = word; word == "SPOILED" {
					c.spoiled(i)
				}
			}
			touched = append(touched, c)
			break // two words for one card in one file are told apart by their order only
		}
	}
	if len(lines) == 0 {
		return
	}
	w.returns++
	name := fmt.Sprintf("walk-%d.status", w.returns)
	w.answer("south", name, file, lines...)
	w.done += len(lines)
	r := w.settled(name)
	if r.Applied != want[store.LineApplied] || r.Duplicates != want[store.LineDuplicate] || r.Rejected != want[store.LineRejected] || r.Quarantined != 0 {
		w.wrong("%v: %d applied, %d duplicate, %d rejected, %d quarantined (%s), where the model says %v", lines, r.Applied, r.Duplicates, r.Rejected, r.Quarantined, r.Reason, want)
	}
	for _, c := range touched {
		w.look(c)
	}
}

// settled waits until a return file is applied.
func (w *walk) settled(name string) store.ReturnFile {
	w.t.Helper()
	for range 20 {
		w.takeReturns()
		all, err := w.store.Returns(w.t.Context(), w.inst.ID, 0, 5)
		w.must(err)
		for _, r := range all {
			if r.Name == name && (r.State == card.ReturnApplied || r.State == card.ReturnPartlyApplied || r.State == card.ReturnQuarantined) {
				return r
			}
		}
	}
	w.wrong("%s is not settled", name)
	return store.ReturnFile{}
}
