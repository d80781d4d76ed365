package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"platen/batch"
	"platen/sql/store"
)

func (s *service) routeOrderStops(api huma.API) {
	const one, tag = submitPath + "/{id}", "orders"
	read(s, api, change("cancel-order", http.MethodPost, one+"/cancel", tag, "Take back every card of an order whose file is not rendered yet", http.StatusOK),
		s.interrupting(s.Plant.CancelOrder))
	read(s, api, change("pause-order", http.MethodPost, one+"/pause", tag, "Let no more of an order be planned, minted or rendered", http.StatusOK),
		s.interrupting(s.Plant.PauseOrder))
	read(s, api, change("resume-order", http.MethodPost, one+"/resume", tag, "End the pause of an order", http.StatusOK), s.interrupting(s.Plant.ResumeOrder))
}

// Because is why somebody does something.
type Because struct {
	Reason string `json:"reason" minLength:"1" maxLength:"64" doc:"Why, for the history: printable ASCII, no personal data"`
}

// OrderStopInput names an order and says why something is done to it.
type OrderStopInput struct {
	OrderInput
	Body Because
}

// Withdrawal is what became of an order that was cancelled, paused or resumed.
type Withdrawal struct {
	Order     Order    `json:"order"`
	Cancelled int64    `json:"cancelled" doc:"Cards taken back by this call"`
	InFiles   []InFile `json:"in_files" nullable:"false" doc:"What can no longer be stopped, because rendering of the file has begun"`
}

// InFile is what of an order is in a file for good.
type InFile struct {
	ID     string `json:"id" format:"uuid"`
	Number int64  `json:"number"`
	Name   string `json:"name"`
	Bureau string `json:"bureau"`
	State  string `json:"state"`
	Cards  int64  `json:"cards" doc:"Of the order"`
}

// interrupting answers one of CancelOrder, PauseOrder and ResumeOrder.
func (s *service) interrupting(do func(context.Context, store.Institution, int64, string, string) (batch.Withdrawal, error)) func(context.Context, caller, *OrderStopInput) (Withdrawal, error) {
	return func(ctx context.Context, c caller, in *OrderStopInput) (Withdrawal, error) {
		o, err := s.findOrder(ctx, c, in.ID)
		if err != nil {
			return Withdrawal{}, err
		}
		w, err := do(ctx, c.institution, o.Number, in.Body.Reason, c.actor())
		if err != nil {
			return Withdrawal{}, err
		}
		v := Withdrawal{Cancelled: w.Cancelled, InFiles: make([]InFile, 0, len(w.InFiles))}
		for _, f := range w.InFiles {
			v.InFiles = append(v.InFiles, InFile{ID: f.File.ID.String(), Number: f.File.Number, Name: f.File.Name, Bureau: f.File.BureauCode, State: f.File.State.String(), Cards: f.Cards})
		}
		v.Order, err = s.getOrder(ctx, c, &in.OrderInput)
		return v, err
	}
}
