package bureau

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"platen/card"
	"platen/formats"
)

// shipmentSize is how many cards leave together at most.
const shipmentSize = 200

// followUp is what a bureau tells of a file after it has said of each record whether it was made: what left when, what arrived, what was destroyed, and how many
// plastics are left. All of it is decided when the file is taken; each answer waits for its time, and for the issuer to have taken those before it.
type followUp struct {
	*answer
	made      []Line // in the order of the file
	spoiled   []Line
	rejected  []Line
	shipments []shipment
	done      Entry
}

// shipment is what left together.
type shipment struct {
	name, tracking string
	lines          []Line
	back, gone     []Line // of lines: returned to the bureau, lost on the way
}

// followUps are the answers of a bureau that tells everything, in the order in which it gives them.
var followUps = map[formats.Kind][]struct {
	kind formats.Kind
	tell func(*Simulator, answering, *followUp) error
}{
	formats.CardFile: {
		{formats.Production, (*Simulator).tellProduction}, {formats.Stock, (*Simulator).tellStock}, {formats.Dispatch, (*Simulator).tellDispatch},
		{formats.Delivery, (*Simulator).tellDelivery}, {formats.Destruction, (*Simulator).tellDestruction},
	},
	formats.PINMailer: {{formats.PINStatus, (*Simulator).tellMailers}, {formats.Destruction, (*Simulator).tellDestruction}},
}

// tellOn gives the answers of a bureau that tells everything, of those kinds that its declaration has a layout for.
func (s *Simulator) tellOn(a *answer) error {
	if !a.dials.Everything || len(a.verdict.Lines) == 0 {
		return nil
	}
	f := s.decide(a)
	for _, next := range followUps[a.verdict.Kind] {
		how, declared := s.further[next.kind]
		if !declared {
			continue
		}
		if err := next.tell(s, how, f); err != nil {
			return fmt.Errorf("%s: %w", next.kind, err)
		}
	}
	s.note(f.done)
	return nil
}

// decide lets the dice say what becomes of each record.
func (s *Simulator) decide(a *answer) *followUp {
	f := &followUp{answer: a, done: Entry{Did: "told on", File: a.input}}
	dice := Dice{Seed: s.config.Dice.Seed, RejectPermille: a.dials.Reject, SpoilPermille: a.dials.Spoil}
	for _, l := range a.verdict.Lines {
		switch status, _ := dice.Roll(l.UID); status {
		case Produced:
			f.made = append(f.made, l)
		case Spoiled:
			f.spoiled = append(f.spoiled, l)
		default:
			f.rejected = append(f.rejected, l)
		}
	}
	for n, lines := range slices.Collect(slices.Chunk(f.made, shipmentSize)) {
		p := shipment{name: fmt.Sprintf("S%s-%d", a.reference(), n+1), tracking: fmt.Sprintf("RR%s-%d", a.reference(), n+1), lines: lines}
		for _, l := range lines {
			switch road := s.config.Dice.roll("road " + l.UID); {
			case road < a.dials.Lose:
				p.gone = append(p.gone, l)
			case road < a.dials.Lose+a.dials.Return:
				p.back = append(p.back, l)
			}
		}
		f.shipments = append(f.shipments, p)
		f.done.Shipments++
		f.done.Dispatched += int64(len(lines))
		f.done.Returned += int64(len(p.back))
		f.done.Lost += int64(len(p.gone))
	}
	f.done.Delivered = f.done.Dispatched - f.done.Returned - f.done.Lost
	return f
}

// sentAt and arrivedAt are when what was made leaves and arrives.
func (f *followUp) sentAt() time.Time    { return f.now.Add(f.dials.Late + f.dials.Dispatch) }
func (f *followUp) arrivedAt() time.Time { return f.sentAt().Add(f.dials.Deliver) }

// tellProduction counts what was made of each product. What it would not make it does not count as ordered.
func (s *Simulator) tellProduction(how answering, f *followUp) error {
	made, spoiled := byProduct(f.made), byProduct(f.spoiled)
	codes := products(f.made, f.spoiled, f.rejected)
	return s.write(f.answer, promise{how: how, records: int64(len(codes))}, func(put func(*formats.Record) error) error {
		for i, code := range codes {
			rec := f.record(i, f.now)
			rec.Set(formats.ReturnFile, f.reference())
			rec.SetString(formats.ProductCode, code)
			for field, n := range map[formats.Field]int64{
				formats.ProductionOrdered: made[code] + spoiled[code], formats.ProductionProduced: made[code], formats.ProductionSpoiled: spoiled[code], formats.ProductionRemade: 0,
				formats.ProductionShipped: 0, formats.ProductionPending: 0, formats.ProductionOpening: 0, formats.ProductionClosing: 0,
			} {
				rec.SetInt(field, n)
			}
			if err := put(rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// tellDispatch names the records that left in each shipment, as runs.
func (s *Simulator) tellDispatch(how answering, f *followUp) error {
	type leaving struct {
		of  *shipment
		run []Line
	}
	var all []leaving
	for i := range f.shipments {
		for _, run := range runs(f.shipments[i].lines) {
			all = append(all, leaving{&f.shipments[i], run})
		}
	}
	if len(all) == 0 {
		return nil
	}
	return s.write(f.answer, promise{how: how, records: int64(len(all)), delay: f.dials.Dispatch, after: stem(f.input)}, func(put func(*formats.Record) error) error {
		for i, l := range all {
			rec := f.record(i, f.sentAt())
			rec.Set(formats.ReturnFile, f.reference())
			rec.SetString(formats.ReturnUID, l.run[0].UID)
			if len(l.run) > 1 {
				rec.SetString(formats.ReturnLastUID, l.run[len(l.run)-1].UID)
			}
			rec.SetString(formats.DispatchShipment, l.of.name)
			rec.SetString(formats.DispatchTracking, l.of.tracking)
			rec.SetString(formats.DispatchCarrier, "Sample Post")
			rec.SetString(formats.DispatchService, "REGISTERED")
			rec.SetString(formats.DispatchFrom, s.site())
			rec.SetInt(formats.DispatchBox, 1)
			rec.SetInt(formats.DispatchBoxes, 1)
			if err := put(rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// told is one line of what a courier says: of a record, or of all that a tracking number carried.
type told struct {
	uid, tracking string
	state         card.IssueState
	reason        string
}

// tellDelivery names what did not arrive, and then each shipment, whose others did.
func (s *Simulator) tellDelivery(how answering, f *followUp) error {
	var all []told
	for _, p := range f.shipments {
		for _, l := range p.back {
			all = append(all, told{l.UID, p.tracking, card.IssueReturned, "addressee_unknown"})
		}
		for _, l := range p.gone {
			all = append(all, told{l.UID, p.tracking, card.IssueLostInTransit, "no_trace"})
		}
		if len(p.back)+len(p.gone) < len(p.lines) {
			all = append(all, told{"", p.tracking, card.IssueDelivered, ""})
		}
	}
	if len(all) == 0 {
		return nil
	}
	return s.tellStates(f, promise{how: how, records: int64(len(all)), delay: f.dials.Dispatch + f.dials.Deliver, after: stem(f.input)}, f.arrivedAt(), all)
}

// tellMailers tells of PIN mailers that they left, and how they arrived.
func (s *Simulator) tellMailers(how answering, f *followUp) error {
	var sent, arrived []told
	for _, p := range f.shipments {
		for _, l := range p.lines {
			sent = append(sent, told{l.UID, p.tracking, card.IssueDispatched, ""})
			state, reason := card.IssueDelivered, ""
			switch {
			case slices.Contains(p.back, l):
				state, reason = card.IssueReturned, "addressee_unknown"
			case slices.Contains(p.gone, l):
				state, reason = card.IssueLostInTransit, "no_trace"
			}
			arrived = append(arrived, told{l.UID, p.tracking, state, reason})
		}
	}
	if len(sent) == 0 {
		return nil
	}
	p := promise{how: how, records: int64(len(sent)), delay: f.dials.Dispatch, after: stem(f.input), word: "sent"}
	if err := s.tellStates(f, p, f.sentAt(), sent); err != nil {
		return err
	}
	p.delay, p.word = f.dials.Dispatch+f.dials.Deliver, "arrived"
	return s.tellStates(f, p, f.arrivedAt(), arrived)
}

func (s *Simulator) tellStates(f *followUp, p promise, at time.Time, all []told) error {
	return s.write(f.answer, p, func(put func(*formats.Record) error) error {
		for i, t := range all {
			rec := f.record(i, at)
			if t.uid != "" {
				rec.Set(formats.ReturnFile, f.reference())
				rec.SetString(formats.ReturnUID, t.uid)
			}
			rec.SetString(formats.DispatchTracking, t.tracking)
			rec.SetString(formats.ReturnStatus, s.word(t.state))
			rec.SetString(formats.ReturnReason, t.reason)
			rec.SetInt(formats.ReturnAttempt, 1)
			if t.state == card.IssueDelivered {
				rec.SetString(formats.DeliveryReceivedBy, "Front desk")
			}
			if err := put(rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// tellDestruction names the cards that were destroyed, which are the spoiled ones and those that came back, and says that the file's data are gone.
func (s *Simulator) tellDestruction(how answering, f *followUp) error {
	var cards []Line
	if f.verdict.Kind == formats.CardFile {
		cards = slices.Clone(f.spoiled)
		for _, p := range f.shipments {
			cards = append(cards, p.back...)
		}
	}
	f.done.Destroyed = int64(len(cards))
	delay := f.dials.Dispatch + f.dials.Deliver + time.Second // after what came back is known
	return s.write(f.answer, promise{how: how, records: int64(len(cards)) + 1, delay: delay, after: stem(f.input)}, func(put func(*formats.Record) error) error {
		for i := range len(cards) + 1 {
			rec := f.record(i, f.arrivedAt())
			rec.Set(formats.ReturnFile, f.reference())
			rec.SetString(formats.DestructionWhat, "DATA")
			rec.SetString(formats.DestructionMethod, "ERASED")
			if i < len(cards) {
				rec.SetString(formats.DestructionWhat, "CARD")
				rec.SetString(formats.DestructionMethod, "SHREDDED")
				rec.SetString(formats.ReturnUID, cards[i].UID)
				rec.SetInt(formats.ReturnQuantity, 1)
			}
			rec.SetString(formats.DestructionWitness1, "A. Witness")
			rec.SetString(formats.DestructionWitness2, "B. Witness")
			rec.SetString(formats.DestructionCertificate, fmt.Sprintf("C%s", f.reference()))
			if err := put(rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// record begins the ith line of an answer.
func (f *followUp) record(i int, at time.Time) *formats.Record {
	rec := new(formats.Record)
	rec.SetInt(formats.RecordNumber, int64(i)+1)
	rec.SetString(formats.ReturnOccurredAt, at.UTC().Format(time.RFC3339))
	return rec
}

// site is what the bureau calls its only one.
func (s *Simulator) site() string { return strings.ToUpper(s.config.Bureau.Code) + "-1" }

// runs parts lines into those that follow each other without a gap.
func runs(lines []Line) [][]Line {
	var all [][]Line
	for i, l := range lines {
		if i == 0 || !follows(lines[i-1].UID, l.UID) {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], l)
	}
	return all
}

// follows tells whether one record's identifier is the next after another's.
func follows(before, uid string) bool {
	file, first, _ := strings.Cut(before, "-")
	same, second, _ := strings.Cut(uid, "-")
	a, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return false
	}
	b, err := strconv.ParseInt(second, 10, 64)
	return err == nil && file == same && b == a+1
}

func byProduct(lines []Line) map[string]int64 {
	n := map[string]int64{}
	for _, l := range lines {
		n[l.Product]++
	}
	return n
}

// products are the codes that lines name, in order.
func products(lists ...[]Line) (codes []string) {
	for _, lines := range lists {
		for _, l := range lines {
			codes = append(codes, l.Product)
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}
