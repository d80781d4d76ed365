package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"platen/services/cards"
	"platen/services/simulate"
)

func (s *service) routeSimulator(api huma.API) {
	op := change("simulate-card", http.MethodPost, "/v1/simulator/cards/{token}/{step}", "simulator", "Let something become of a card of a sandbox at once", http.StatusOK)
	op.Description = "For institutions that are declared as a sandbox; for others there is nothing here."
	read(s, api, op, s.simulateCard)
}

// StepInput names a card and what becomes of it.
type StepInput struct {
	CardInput
	Step string `path:"step" enum:"issue,fail,produce,ship,deliver,lose" doc:"issue: the card becomes active; fail: its issuing failed, the card is closed and its plastic is not made; produce, ship, deliver, lose: what bureau and courier say of its newest plastic"`
}

// steps are what a simulator does, by the names that requests have for it.
var steps = map[string]func(*simulate.Service, context.Context, cards.Act) error{
	"issue": (*simulate.Service).Issue, "fail": (*simulate.Service).Fail, "produce": (*simulate.Service).Produce, "ship": (*simulate.Service).Ship,
	"deliver": (*simulate.Service).Deliver, "lose": (*simulate.Service).Lose,
}

func (s *service) simulateCard(ctx context.Context, c caller, in *StepInput) (Card, error) {
	if err := steps[in.Step](s.simulate, ctx, act(c, in.Token)); err != nil {
		return Card{}, err
	}
	return s.getCard(ctx, c, &in.CardInput)
}
