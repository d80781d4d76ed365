package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// returned is one line of a return file as it was read.
type returned struct {
	store.ReturnLine
	file     int64 // -1 = it names none
	uid      string
	lastUID  string
	token    string // the card's public name, where the bureau has nothing else
	tracking string
	what     string // of a destruction
	ack      struct {
		read, ok, bad int64
		sum           string
	}
	said       figures
	difference int64 // of a stock report

	whole bool        // it speaks of a file as a whole
	runs  []store.Run // the lines that it speaks of
}

// figures are what a line says beside status and reference, by field.
type figures map[string]string

// number is a figure; absent ones are 0.
func (f figures) number(field formats.Field) int64 {
	n, err := strconv.ParseInt(f[field.String()], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// kept lists the figures of each kind that its lines keep as evidence.
var kept = map[formats.Kind][]formats.Field{
	formats.Production: {formats.ProductCode, formats.DispatchCarrier, formats.CarrierDelivery, formats.ProductionOrdered, formats.ProductionProduced, formats.ProductionSpoiled,
		formats.ProductionRemade, formats.ProductionShipped, formats.ProductionPending, formats.ProductionOpening, formats.ProductionClosing},
	formats.Dispatch: {formats.DispatchShipment, formats.DispatchCarrier, formats.DispatchService, formats.DispatchTracking, formats.DispatchFrom, formats.DispatchTo,
		formats.DispatchBox, formats.DispatchBoxes},
	formats.Delivery: {formats.DispatchTracking, formats.DeliveryReceivedBy, formats.DeliveryRelation, formats.DeliveryRedispatch},
	formats.Stock: {formats.StockPlastic, formats.ReturnSite, formats.StockOpening, formats.StockReceived, formats.StockUsed, formats.StockDamaged, formats.StockScrap,
		formats.StockAdjusted, formats.StockDestroyed, formats.StockAllocated, formats.StockClosing, formats.StockReorderLevel},
	formats.Destruction: {formats.DestructionWhat, formats.StockPlastic, formats.ReturnQuantity, formats.DestructionMethod, formats.DestructionWitness1,
		formats.DestructionWitness2, formats.DestructionCertificate},
	formats.PINStatus: {formats.DispatchTracking, formats.DeliveryReceivedBy},
}

// identifying are figures that find something by all of their digits, and may be as long as a card number.
var identifying = []formats.Field{formats.DispatchShipment, formats.DispatchTracking, formats.DispatchBox, formats.DestructionCertificate}

func (a *application) read(line int64, rec *formats.Record) (returned, error) {
	kind := a.layout.Kind()
	r := returned{ReturnLine: store.ReturnLine{Return: a.returning.Number, Line: line}}
	text := func(f formats.Field) string { return string(rec.Get(f)) }
	words := func(f formats.Field) string { return withoutNumber(text(f)) }
	if kind == formats.Ack {
		r.whole, r.file = true, number(rec.Get(formats.AckFile))
		r.ack.read, r.ack.ok, r.ack.bad, r.ack.sum = number(rec.Get(formats.AckRead)), number(rec.Get(formats.AckOK)), number(rec.Get(formats.AckBad)), text(formats.AckSHA256)
		r.Status, r.BureauReason, r.OccurredAt = words(formats.AckStatus), words(formats.AckReason), a.moment(rec.Get(formats.AckReceivedAt))
		return r, nil
	}
	r.file, r.uid, r.lastUID, r.token = number(rec.Get(formats.ReturnFile)), text(formats.ReturnUID), text(formats.ReturnLastUID), text(formats.CardToken)
	r.Status, r.BureauReason, r.OccurredAt = words(formats.ReturnStatus), words(formats.ReturnReason), a.moment(rec.Get(formats.ReturnOccurredAt))
	r.tracking, r.what = text(formats.DispatchTracking), text(formats.DestructionWhat)
	switch kind {
	case formats.Production:
		r.whole, r.Status = true, "PRODUCTION"
	case formats.Dispatch:
		r.Status, r.Shipment = card.IssueDispatched.String(), text(formats.DispatchShipment)
	case formats.Stock:
		r.Status, r.difference = "STOCK", formats.StockDifference(rec)
	case formats.Destruction:
		r.whole, r.Status = r.what == destroyedData, r.what
	}
	for _, f := range kept[kind] {
		if v := text(f); v != "" {
			if r.said == nil {
				r.said = figures{}
			}
			if !slices.Contains(identifying, f) {
				v = withoutNumber(v)
			}
			r.said[f.String()] = v
		}
	}
	if r.said == nil {
		return r, nil
	}
	body, err := json.Marshal(r.said)
	if err != nil {
		return r, fmt.Errorf("keep the figures of a return line: %w", err)
	}
	r.Figures = string(body)
	return r, nil
}

// find resolves what a line speaks of into runs of lines: by file and record, by the card's public name where these do not do, or by the tracking number.
func (w *chunkWork) find(ctx context.Context, r *returned) error {
	r.runs = nil
	if r.whole || w.layout.Kind() == formats.Stock {
		return nil
	}
	if file, line, ok := parseUID(r.uid); ok && (r.file == file || r.file < 0) {
		r.file = file
		run := store.Run{Shipment: r.Shipment, File: file, First: line, Last: line}
		if r.lastUID != "" {
			lastFile, last, ok := parseUID(r.lastUID)
			if !ok || lastFile != file || last < line {
				return nil // not a run
			}
			run.Last = last
		}
		r.runs = []store.Run{run}
		return nil
	}
	if r.token != "" && !strings.Contains(r.token, "#") {
		return w.findByToken(ctx, r)
	}
	if w.layout.Kind() == formats.Delivery && r.uid == "" {
		var err error
		r.runs, err = w.tx.RunsTracked(ctx, w.returning.Bureau, r.tracking)
		return err
	}
	return nil
}

// findByToken takes the newest line of the card, or of its PIN mailer, that this bureau has.
func (w *chunkWork) findByToken(ctx context.Context, r *returned) error {
	i, err := w.institution(ctx, w.returning.Institution)
	if err != nil {
		return err
	}
	id, err := w.FindCard(ctx, i, r.token)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	at := func(file, line *int64) error {
		if file == nil || line == nil {
			return nil
		}
		f, err := w.tx.FileByNumber(ctx, *file)
		if err != nil || f.Bureau != w.returning.Bureau {
			return err
		}
		r.file, r.runs = f.Number, []store.Run{{Shipment: r.Shipment, File: f.Number, First: *line, Last: *line}}
		return nil
	}
	if w.layout.Kind() == formats.PINStatus {
		mailers, err := w.tx.MailersOf(ctx, id)
		for k := len(mailers) - 1; err == nil && k >= 0 && r.runs == nil; k-- {
			err = at(mailers[k].File, mailers[k].Line)
		}
		return err
	}
	issues, err := w.tx.Issues(ctx, id)
	for k := len(issues) - 1; err == nil && k >= 0 && r.runs == nil; k-- {
		err = at(issues[k].File, issues[k].Line)
	}
	return err
}

// applyRuns moves every line of the runs that may move. Lines that never came to be, because they were rejected or spoiled, are passed over.
func (w *chunkWork) applyRuns(r *returned, next card.IssueState) {
	moved, passed, never := int64(0), int64(0), int64(0)
	for _, run := range r.runs {
		work := w.files[run.File]
		if work == nil || work.file == nil || work.file.Bureau != w.returning.Bureau || run.Last > work.file.Planned {
			r.refuse("unknown_reference")
			return
		}
		for n := run.First; n <= run.Last; n++ {
			switch l := work.lines[n]; {
			case l == nil || !l.State.Passed(next) && !l.State.May(next):
				never++
			case l.State.Passed(next):
				passed++
			default:
				moved++
				work.step(l, next, r.BureauReason)
			}
		}
	}
	switch {
	case moved > 0:
		r.Outcome = store.LineApplied
	case passed > 0:
		r.Outcome = store.LineDuplicate
	default:
		r.refuse("state_does_not_allow_it")
		return
	}
	if never > 0 {
		r.Reason = "lines_passed_over"
	}
}

// applyDispatch records a shipment and moves the lines that left in it.
func (w *chunkWork) applyDispatch(ctx context.Context, r *returned) error {
	if r.Shipment == "" || len(r.runs) == 0 {
		r.refuse("unknown_reference")
		return nil
	}
	if f, err := w.fileOf(r); err != nil || f == nil {
		return err
	}
	run := r.runs[0]
	r.FileLine = &run.First
	if run.Last > run.First {
		r.LastLine = &run.Last
	}
	w.applyRuns(r, card.IssueDispatched)
	if r.Outcome == store.LineRejected {
		return nil
	}
	s := store.Shipment{Bureau: w.returning.Bureau, Name: r.Shipment, Tracking: r.tracking, Carrier: r.said[formats.DispatchCarrier.String()], Service: r.said[formats.DispatchService.String()],
		Origin: r.said[formats.DispatchFrom.String()], Destination: r.said[formats.DispatchTo.String()], Boxes: r.said.number(formats.DispatchBoxes),
		State: card.IssueDispatched, DispatchedAt: r.OccurredAt, ChangedAt: r.OccurredAt}
	if err := w.tx.PutShipment(ctx, s); err != nil {
		return err
	}
	run.Box = r.said.number(formats.DispatchBox)
	return w.tx.PutRun(ctx, w.returning.Bureau, run)
}

// applyDelivery takes the courier's word for one line, or for all that a tracking number carried.
func (w *chunkWork) applyDelivery(ctx context.Context, r *returned) error {
	if r.uid != "" || r.token != "" {
		return w.applyStatus(r)
	}
	next, ok := w.statusOf(r.Status)
	switch {
	case len(r.runs) == 0:
		r.refuse("unknown_reference")
		return nil
	case !ok:
		r.quarantine("unknown_status")
		return nil
	}
	r.Shipment = r.runs[0].Shipment
	w.applyRuns(r, next)
	if r.Outcome != store.LineApplied {
		return nil
	}
	told := map[string]bool{}
	for _, run := range r.runs {
		if told[run.Shipment] {
			continue
		}
		told[run.Shipment] = true
		if err := w.tx.MoveShipment(ctx, w.returning.Bureau, run.Shipment, next, r.OccurredAt); err != nil {
			return err
		}
	}
	return nil
}

// applyProduction records a bureau's own count of a file. It moves no line: what became of each is said by status and dispatch.
func (w *chunkWork) applyProduction(ctx context.Context, r *returned) error {
	f, err := w.fileOf(r)
	if err != nil || f == nil {
		return err
	}
	n := r.said.number
	balance := n(formats.ProductionOpening) + n(formats.ProductionOrdered) - n(formats.ProductionProduced) - n(formats.ProductionSpoiled) + n(formats.ProductionRemade) - n(formats.ProductionPending)
	switch {
	case n(formats.ProductionProduced) > f.Planned:
		r.quarantine("more_than_was_ordered")
		return nil
	case r.said[formats.ProductionPending.String()] != "" && balance != 0:
		r.quarantine("counts_do_not_add_up")
		return nil
	}
	r.Outcome = store.LineApplied
	data := map[string]any{"return": w.returning.Number, "line": r.Line, "said": r.said}
	return w.tx.Record(ctx, f.Institution, "file", f.Number, "production_reported", data, w.Now())
}

// applyStock takes a report as the newest position of one plastic at one site. One that misses its own arithmetic, or does not begin where the last one ended, counts
// and is flagged; an older one changes nothing.
func (w *chunkWork) applyStock(ctx context.Context, r *returned) error {
	p := store.StockPosition{Bureau: w.returning.Bureau, Plastic: r.said[formats.StockPlastic.String()], Site: r.said[formats.ReturnSite.String()],
		Opening: r.said.number(formats.StockOpening), Closing: r.said.number(formats.StockClosing), Allocated: r.said.number(formats.StockAllocated),
		ReorderLevel: r.said.number(formats.StockReorderLevel), Difference: r.difference, ReportedAt: r.OccurredAt, Return: w.returning.Number}
	if p.Plastic == "" {
		r.refuse("unknown_reference")
		return nil
	}
	was, known, err := w.tx.StockAt(ctx, p.Bureau, p.Plastic, p.Site)
	if err != nil {
		return err
	}
	if known && !r.OccurredAt.After(was.ReportedAt) {
		r.Outcome, r.Reason = store.LineDuplicate, "older_than_what_is_known"
		return nil
	}
	if known {
		p.Gap = p.Opening - openingAfter(was, p.Opening)
	}
	r.Outcome = store.LineApplied
	if p.Difference != 0 || p.Gap != 0 {
		r.Reason = "counts_do_not_add_up"
	}
	return w.tx.PutStock(ctx, p)
}

// openingAfter is where a report has to begin that follows another: where that one ended. One that begins where a report began that did not add up corrects that
// report, and has to begin where the one before it ended.
func openingAfter(was store.StockPosition, opening int64) int64 {
	before := was.Opening - was.Gap
	if (was.Difference != 0 || was.Gap != 0) && opening != was.Closing && (opening == before || opening == was.Opening) {
		return before
	}
	return was.Closing
}

// What a destruction report speaks of.
const (
	destroyedCard    = "CARD"
	destroyedPlastic = "PLASTIC"
	destroyedData    = "DATA"
)

// applyDestruction records what was destroyed. A spoiled or rejected card stays that; its destruction is evidence.
func (w *chunkWork) applyDestruction(ctx context.Context, r *returned) error {
	switch r.what {
	case destroyedPlastic:
		r.Outcome = store.LineApplied
		return nil
	case destroyedData:
		f, err := w.fileOf(r)
		if err != nil || f == nil {
			return err
		}
		r.Outcome = store.LineApplied
		data := map[string]any{"return": w.returning.Number, "line": r.Line, "certificate": r.said[formats.DestructionCertificate.String()]}
		return w.tx.Record(ctx, f.Institution, "file", f.Number, "data_destroyed", data, w.Now())
	case destroyedCard:
		work, l, err := w.lineOf(r)
		if err != nil || l == nil {
			return err
		}
		switch {
		case l.State == card.IssueDestroyed:
			r.Outcome = store.LineDuplicate
		case l.State == card.IssueSpoiled || l.State == card.IssueRejected:
			r.Outcome = store.LineApplied
		case !l.State.May(card.IssueDestroyed):
			r.refuse("state_does_not_allow_it")
		default:
			r.Outcome = store.LineApplied
			work.step(l, card.IssueDestroyed, r.BureauReason)
		}
		return nil
	}
	r.quarantine("unknown_status")
	return nil
}
