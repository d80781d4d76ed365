package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"platen/batch"
	"platen/formats"
	"platen/sql/store"
)

const (
	submitPath  = "/v1/orders"
	correctPath = "/v1/orders/{id}/corrections"
)

// routeSubmissions registers the two operations that take rows. They stream, so huma only describes them.
func (s *service) routeSubmissions(api huma.API) {
	guarded{s}.stream("POST "+submitPath, s.submit)
	guarded{s}.stream("POST "+correctPath, s.correct)
	describeSubmissions(api)
}

// submit takes an order in while its body arrives.
func (s *service) submit(w http.ResponseWriter, r *http.Request) {
	up := s.upload(w, r)
	receipt, err := s.takeOrder(r, up)
	s.answer(w, r, up, receipt, err)
}

func (s *service) takeOrder(r *http.Request, up *upload) (batch.Receipt, error) {
	c := callerOf(r.Context())
	kind, err := mediaType(r, csvType, jsonType, jsonlType, ndjsonType)
	if err != nil {
		return batch.Receipt{}, err
	}
	given, err := parameters(r, "reference", "mapping")
	if err != nil {
		return batch.Receipt{}, err
	}
	mapping, err := s.mapping(r.Context(), c, given)
	if err != nil {
		return batch.Receipt{}, err
	}
	o := batch.Submission{Institution: c.institution, Actor: c.actor(), Body: up, Reference: given.Get("reference")}
	o.Rows = func(r io.Reader) (batch.Rows, error) { return openOrder(r, kind == csvType, mapping) }
	if keys := r.Header.Values("Idempotency-Key"); len(keys) > 1 {
		return batch.Receipt{}, invalid("header.Idempotency-Key", "is given twice")
	} else if len(keys) == 1 {
		o.IdempotencyKey = keys[0]
	}
	if kind == jsonType && mapping == nil {
		if err := documented(&o, up); err != nil {
			return batch.Receipt{}, err
		}
	}
	receipt, err := s.Plant.Submit(r.Context(), o)
	if batch.IsNotFound(err) {
		err = &internalError{err}
	}
	return receipt, err
}

// mapping finds the declared mapping that a request names; nil when it names none.
func (s *service) mapping(ctx context.Context, c caller, given url.Values) (*formats.Mapping, error) {
	name := given.Get("mapping")
	if name == "" {
		if given.Has("mapping") {
			return nil, invalid("query.mapping", "is empty")
		}
		return nil, nil
	}
	m, err := s.Plant.Mapping(ctx, c.institution, name)
	if batch.IsNotFound(err) {
		return nil, invalid("query.mapping", "no mapping is called "+shown(name))
	}
	return m, err
}

// documented makes an order of a JSON document: its head is read now, because the reference stands in it, and again with its rows.
func documented(o *batch.Submission, body io.Reader) error {
	head, whole, err := peekDocument(body, false)
	if err != nil {
		return err
	}
	if head.kind == 0 {
		return problem(http.StatusUnprocessableEntity, "unknown_kind", "kind, which is mass, bulk or card-action, must stand before the rows")
	}
	if head.reference != "" {
		if o.Reference != "" && o.Reference != head.reference {
			return invalid("query.reference", "is another than the document's")
		}
		o.Reference = head.reference
	}
	o.Body = whole
	o.Rows = func(r io.Reader) (batch.Rows, error) { return newDocument(r, false) }
	return nil
}

// correct takes corrected rows back into their order.
func (s *service) correct(w http.ResponseWriter, r *http.Request) {
	up := s.upload(w, r)
	receipt, err := s.takeCorrection(r, up)
	s.answer(w, r, up, receipt, err)
}

func (s *service) takeCorrection(r *http.Request, up *upload) (batch.Receipt, error) {
	c := callerOf(r.Context())
	kind, err := mediaType(r, csvType, jsonType)
	if err != nil {
		return batch.Receipt{}, err
	}
	if _, err := parameters(r); err != nil {
		return batch.Receipt{}, err
	}
	o, err := s.findOrder(r.Context(), c, r.PathValue("id"))
	if err != nil {
		return batch.Receipt{}, err
	}
	open := func(r io.Reader) (batch.Rows, error) { return openCorrection(r, o) }
	if kind == jsonType {
		open = func(r io.Reader) (batch.Rows, error) {
			d, err := newDocument(r, true)
			if err == nil && d.kind == 0 {
				d.setKind(formats.OrderKind(o.Kind))
			}
			return d, err
		}
	}
	receipt, err := s.Plant.Correct(r.Context(), c.institution, o.ID, up, open, c.actor())
	if batch.IsNotFound(err) {
		err = &internalError{err}
	}
	return receipt, err
}

// answer tells what became of an order. An order that was here before is answered like the first time, marked as a repetition.
func (s *service) answer(w http.ResponseWriter, r *http.Request, up *upload, receipt batch.Receipt, err error) {
	if err == nil {
		receipt.Order, err = s.Plant.Store.Order(r.Context(), receipt.Order.Institution, receipt.Order.ID)
	}
	up.answerIn(writeTimeout)
	if cut := up.failure(); err != nil && cut != nil {
		err = cut
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	v, err := s.showReceipt(r.Context(), receipt)
	if err != nil {
		s.fail(w, r, &internalError{err})
		return
	}
	body, err := json.Marshal(v)
	if err != nil {
		s.fail(w, r, &internalError{fmt.Errorf("write an order: %w", err)})
		return
	}
	h := w.Header()
	h.Set("Content-Type", jsonType)
	h.Set("Location", submitPath+"/"+receipt.Order.ID.String())
	status := http.StatusCreated
	if receipt.Repeat {
		h.Set("Idempotent-Replay", "true")
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// parameters reads the query parameters that an operation knows; others are refused, so that a misspelt one is not lost.
func parameters(r *http.Request, names ...string) (url.Values, error) {
	all := r.URL.Query()
	for _, given := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(names, given) {
			return nil, invalid("query", "no parameter is called "+shown(given))
		}
		if len(all[given]) > 1 {
			return nil, invalid("query."+given, "is given twice")
		}
	}
	return all, nil
}

func invalid(location, message string) *Problem {
	p := problem(http.StatusUnprocessableEntity, "invalid_request", "a parameter is wrong")
	p.Errors = []Violation{{Location: location, Message: message}}
	return p
}

// parseID reads the id of an object; what is no id names nothing.
func parseID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil || id.String() != text {
		return uuid.Nil, store.ErrNotFound
	}
	return id, nil
}
