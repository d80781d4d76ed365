package jobs_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/formats"
	"platen/services/cards"
	"platen/services/pins"
)

var (
	walkSteps = flag.Int("walk", 700, "how many operations a random walk does on each database")
	walkSeed  = flag.Uint64("walk-seed", 1, "what the dice of random walks begin with")
)

// walkSite is how many operations a walk does before it goes on at a fresh site.
const walkSite = 20_000

// walk goes from one operation on cards to the next by dice, and knows from its model what each must come to.
type walk struct {
	*site
	dice     *rand.Rand
	desk     *cards.Service
	pins     *pins.Service
	cards    []*modelCard
	orders   []*modelOrder
	sent     map[int64]bool // files
	phase    int            // of the night
	nights   int
	returns  int
	files    []int64
	atLine   map[[2]int64]*modelCard
	done     int
	refusals int
	what     string // the last operation
}

// TestARandomWalkFindsNoIllegalTransition does what the desk, the clients, the nights and the bureaus can do to cards, in any order, and holds every answer and every card against
// a model: nothing that it forbids may happen, and nothing that it allows may be refused.
func TestARandomWalkFindsNoIllegalTransition(t *testing.T) {
	onDatabases(t, func(t *testing.T, address string) {
		for left, n := *walkSteps, uint64(0); left > 0; left, n = left-walkSite, n+1 {
			if n > 0 {
				address = "sqlite:" + t.TempDir() + "/platen.db"
			}
			w := newWalk(t, address, *walkSeed+n)
			for w.done < min(left, walkSite) && !t.Failed() {
				w.step()
			}
			for _, c := range w.cards {
				w.look(c)
			}
			w.proveChecked()
			t.Logf("%d operations, %d of them refused; %d cards, %d nights", w.done, w.refusals, len(w.cards), w.nights)
		}
	})
}

func newWalk(t *testing.T, address string, seed uint64) *walk {
	t.Helper()
	s := newSite(t, address, bureau.Dice{Seed: fmt.Sprint(seed), RejectPermille: 60, SpoilPermille: 100})
	south := s.bureau("south")
	for _, words := range [][]string{milestones[1:], {"REJECTED", "SPOILED", "RETURNED", "DESTROYED", "LOST_IN_TRANSIT"}} {
		for _, word := range words {
			south.StatusMap[word] = word
		}
	}
	s.apply()
	return &walk{site: s, dice: rand.New(rand.NewPCG(seed, 11)), desk: &cards.Service{Plant: s.plant}, pins: &pins.Service{Plant: s.plant}, sent: map[int64]bool{}, atLine: map[[2]int64]*modelCard{}}
}

// step does one operation.
func (w *walk) step() {
	w.t.Helper()
	w.done++
	if len(w.cards) < 10 || w.dice.IntN(100) < 3 {
		w.order()
		if len(w.cards) < 10 {
			w.night()
		}
		return
	}
	switch n := w.dice.IntN(1000); {
	case n < 12:
		w.night()
	case n < 20:
		w.news()
	case n < 50:
		w.cancel()
	case n < 70:
		w.takePlasticBack(w.some())
	case n < 200:
		w.replace(w.some())
	default:
		w.decide(w.some())
	}
}

// some is a card, one of the newer ones more often.
func (w *walk) some() *modelCard {
	n := len(w.cards)
	return w.cards[n-1-w.dice.IntN(1+w.dice.IntN(n))]
}

func (w *walk) wrong(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("operation %d, %s, in phase %d of night %d: %s", w.done, w.what, w.phase, w.nights, fmt.Sprintf(format, args...))
}

// expect holds an operation's outcome against the model's; nil = it must be carried out.
func (w *walk) expect(got, want error) bool {
	w.t.Helper()
	if want != nil {
		w.refusals++
	}
	if !errors.Is(got, want) {
		w.wrong("%v, where the model says %v", got, want)
	}
	return want == nil
}

// look holds a card against the model.
func (w *walk) look(c *modelCard) {
	w.t.Helper()
	stored, err := w.store.Card(w.t.Context(), c.id)
	w.must(err)
	issues, err := w.store.Issues(w.t.Context(), c.id)
	w.must(err)
	if got := storedCard(stored, issues); got != c.shown() {
		w.wrong("card %s is %s, where the model has %s", c.token, got, c.shown())
	}
}

// decide is what the desk does to one card.
func (w *walk) decide(c *modelCard) {
	w.t.Helper()
	ctx, a := w.t.Context(), cards.Act{Institution: w.inst, Card: c.token, Actor: "walker"}
	switch n := w.dice.IntN(100); {
	case n < 35:
		w.what = "activate"
		if w.expect(w.desk.Activate(ctx, a), w.mayActivate(c)) && c.newest().use != "CURRENT" {
			c.activate()
		}
	case n < 57:
		w.what = "block"
		if w.expect(w.desk.Block(ctx, a, "walk"), unless(c.ended(), cards.ErrStatus)) {
			c.status = "BLOCKED"
		}
	case n < 80:
		w.what = "unblock"
		refused := unless(c.ended(), cards.ErrStatus)
		if c.status == "BLOCKED" && c.asked != nil {
			refused = cards.ErrBusy
		}
		if w.expect(w.desk.Unblock(ctx, a, "walk"), refused) && c.status == "BLOCKED" {
			c.status = c.unblocked()
		}
	case n < 82:
		w.what = "close"
		if w.expect(w.desk.Close(ctx, a, card.Request, "walk"), unless(c.busy() && !c.ended(), cards.ErrBusy)) && !c.ended() {
			c.close()
		}
	case n < 86:
		w.what = "await a PIN"
		o := c.plastic()
		if w.expect(w.pins.Await(ctx, a, "walk"), c.mayAwait()) {
			o.held = true
		}
	case n < 89:
		w.what = "release"
		o := c.plastic()
		if w.expect(w.pins.Release(ctx, a, "walk"), unless(o == nil || !o.held, pins.ErrNotAwaited)) {
			o.held = false
		}
	case n < 94:
		w.what = "block the PIN"
		_, err := w.pins.Block(ctx, a, "walk")
		w.pin(c, err, true)
	default:
		w.what = "unblock the PIN"
		_, err := w.pins.Unblock(ctx, a, "walk")
		w.pin(c, err, false)
	}
	w.look(c)
}

func (w *walk) pin(c *modelCard, err error, stop bool) {
	w.t.Helper()
	if w.expect(err, unless(c.ended(), cards.ErrStatus)) {
		c.stop = stop
	}
	v, err := w.pins.Look(w.t.Context(), cards.Act{Institution: w.inst, Card: c.token})
	w.must(err)
	if (v.Status == pins.Blocked) != c.stop {
		w.wrong("the PIN is %s", v.Status)
	}
}

func unless(refused bool, err error) error {
	if refused {
		return err
	}
	return nil
}

// plastic is the order that a card's next plastic comes from; nil when none is ordered.
func (c *modelCard) plastic() *modelOrder {
	if c.asked != nil {
		return c.asked
	}
	return c.unmade
}

func (c *modelCard) mayAwait() error {
	switch o := c.plastic(); {
	case o == nil:
		return batch.ErrNoPlastic
	case c.ended(), c.status == "BLOCKED":
		return cards.ErrStatus
	case c.stop:
		return pins.ErrBlocked
	case closesOld(o.reason):
		return batch.ErrNoPlastic
	case o.where == "planned":
		return pins.ErrProduced
	}
	return nil
}

func (w *walk) mayActivate(c *modelCard) error {
	switch {
	case c.ended(), c.status == "BLOCKED":
		return cards.ErrStatus
	case c.newest().use != "CURRENT" && !c.out(c.newest(), w.sent):
		return cards.ErrNotMade
	}
	return nil
}

// order asks for new cards, some of them made at once.
func (w *walk) order() {
	w.t.Helper()
	o := &modelOrder{reference: fmt.Sprintf("O-%d", len(w.orders)), units: 1 + w.dice.IntN(4), where: "open", reason: card.New}
	if w.dice.IntN(3) > 0 {
		w.what = "order"
		o.number = w.submit(o.reference, formats.MassOrder, mass(o.units)).Order.Number
		w.orders = append(w.orders, o)
		return
	}
	w.what, o.instant, o.units = "order at once", true, 1
	made, token := w.instant(o.reference, formats.MassOrder, mass(1))
	o.number = made.Number
	o.card = w.add(token, o)
	o.card.unmade, o.card.issues[0].state = o, "PREPARED"
	w.orders = append(w.orders, o)
	w.look(o.card)
}

// add takes a card in that the model did not know.
func (w *walk) add(name string, o *modelOrder) *modelCard {
	w.t.Helper()
	story, err := w.plant.ExplainCard(w.t.Context(), w.inst, name)
	w.must(err)
	c := &modelCard{token: story.Token, id: story.Card.ID, status: "INACTIVE", issues: []*modelIssue{{use: "PENDING", state: "FOLLOWS_FILE", order: o}}}
	w.cards = append(w.cards, c)
	return c
}

// replace asks for a card's next issue, or for what takes its place.
func (w *walk) replace(c *modelCard) {
	w.t.Helper()
	reasons := []card.Reason{card.Renewal, card.Damaged, card.Emergency, card.Lost, card.Stolen, card.Compromised, card.NotReceived}
	o := &modelOrder{reference: fmt.Sprintf("O-%d", len(w.orders)), units: 1, where: "open", card: c, reason: reasons[w.dice.IntN(len(reasons))]}
	w.what = "replace as " + o.reason.String()
	row := formats.Row{Line: 2, Card: c.token, Reason: o.reason.String()}
	r, err := w.plant.Submit(w.t.Context(), batch.Submission{Institution: w.inst, Reference: o.reference, Actor: "walker", Body: newBody([]formats.Row{row}), Single: true,
		Rows: func(r io.Reader) (batch.Rows, error) {
			_, err := io.Copy(io.Discard, r)
			return &rows{kind: formats.ActionOrder, list: []formats.Row{row}}, err
		}})
	code := ""
	switch {
	case c.ended():
		code = "card_closed"
	case c.busy(), c.newest().state == "REQUESTED":
		code = "card_busy"
	}
	w.orders = append(w.orders, o)
	if refused := new(batch.RowError); code != "" {
		w.refusals++
		if o.where = "withdrawn"; !errors.As(err, &refused) || !slices.ContainsFunc(refused.Faults, func(f formats.Fault) bool { return f.Code == code }) {
			w.wrong("%v, where the model says %s", err, code)
		}
	} else if err != nil {
		w.wrong("%v, where the model allows it", err)
	} else {
		o.number, c.asked = r.Order.Number, o
		if closesOld(o.reason) {
			c.status = "BLOCKED"
		}
	}
	w.look(c)
}
