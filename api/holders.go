package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"platen/card"
	"platen/services/holders"
	"platen/services/ledger"
)

const holdersPath = "/v1/holders"

// HolderPerson is what is handed in of a holder. The members from id_kind on are asked of consumers (B2C) only.
type HolderPerson struct {
	FirstName string `json:"first_name" maxLength:"64" doc:"2 to 32 English letters; both names together 32 at most"`
	LastName  string `json:"last_name" maxLength:"64"`
	Birthday  string `json:"birthday" maxLength:"10" doc:"YYYY-MM-DD"`
	AreaCode  string `json:"area_code" maxLength:"8" doc:"Of the mobile number, such as +33"`
	Mobile    string `json:"mobile" maxLength:"32"`
	Email     string `json:"email" maxLength:"64" doc:"One holder of a card type has it"`
	Country   string `json:"country" maxLength:"2" doc:"ISO 3166-1"`
	Town      string `json:"town" maxLength:"64" doc:"Code"`
	Address   string `json:"address" maxLength:"64" doc:"2 to 40 letters, digits, blanks and dashes"`
	Postcode  string `json:"postcode" maxLength:"32"`

	IDKind         string `json:"id_kind,omitempty" maxLength:"32" doc:"PASSPORT, HK_HKID, DLN or GOVERNMENT_ISSUED_ID_CARD"`
	IDNumber       string `json:"id_number,omitempty" maxLength:"64" doc:"One holder of a card type has it"`
	IDIssued       string `json:"id_issued,omitempty" maxLength:"10" doc:"YYYY-MM-DD"`
	IDExpires      string `json:"id_expires,omitempty" maxLength:"10" doc:"YYYY-MM-DD; without it, never"`
	Nationality    string `json:"nationality,omitempty" maxLength:"2" doc:"ISO 3166-1"`
	Gender         string `json:"gender,omitempty" maxLength:"8" doc:"M or F"`
	Occupation     string `json:"occupation,omitempty" maxLength:"64"`
	AnnualSalary   string `json:"annual_salary,omitempty" maxLength:"32"`
	AccountPurpose string `json:"account_purpose,omitempty" maxLength:"64"`
	MonthlyVolume  string `json:"monthly_volume,omitempty" maxLength:"32"`
	IDFront        string `json:"id_front,omitempty" maxLength:"64" doc:"Name of a picture that the institution keeps"`
	IDBack         string `json:"id_back,omitempty" maxLength:"64"`
	IDHold         string `json:"id_hold,omitempty" maxLength:"64"`
	IPAddress      string `json:"ip_address,omitempty" maxLength:"64"`
}

// CardHolder is who is to hold prepaid cards, and how the audit stands.
type CardHolder struct {
	ID        string `json:"id" format:"uuid"`
	Reference string `json:"reference"`
	CardType  string `json:"card_type"`
	Model     string `json:"model" enum:"B2B,B2C"`
	State     string `json:"state" enum:"WAIT_AUDIT,UNDER_REVIEW,PASS_AUDIT,REJECT"`
	Reason    string `json:"reason,omitempty" doc:"Why it was rejected"`
	HolderPerson
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
}

func showHolder(h holders.Holder) CardHolder {
	return CardHolder{ID: h.ID.String(), Reference: h.Reference, CardType: h.CardType, Model: h.Model.String(), State: h.State.String(), Reason: h.Reason,
		HolderPerson: HolderPerson(h.Person), CreatedAt: h.CreatedAt.UTC(), ChangedAt: h.ChangedAt.UTC()}
}

func (s *service) routeHolders(api huma.API) {
	const tag, one = "holders", holdersPath + "/{id}"
	read(s, api, operation("list-holders", holdersPath, tag, "Holders of prepaid cards, newest first"), s.listHolders)
	read(s, api, operation("get-holder", one, tag, "One holder"), s.getHolder)
	once(s, api, change("submit-holder", http.MethodPost, holdersPath, tag, "Hand in a holder for the audit", http.StatusCreated), s.submitHolder)
	op := change("resubmit-holder", http.MethodPut, one, tag, "Hand in again what was rejected", http.StatusOK)
	op.Description = "All of it, not what differs. Nothing else that was handed in changes."
	read(s, api, op, s.resubmitHolder)
	read(s, api, change("review-holder", http.MethodPost, one+"/review", tag, "Begin the audit of a holder", http.StatusOK), s.deciding((*holders.Service).Review))
	read(s, api, change("pass-holder", http.MethodPost, one+"/pass", tag, "Let a holder pass the audit", http.StatusOK), s.deciding((*holders.Service).Pass))
	read(s, api, change("reject-holder", http.MethodPost, one+"/reject", tag, "Reject a holder", http.StatusOK), s.rejectHolder)
}

// HolderInput names a holder.
type HolderInput struct {
	ID string `path:"id" maxLength:"36"`
}

// NewHolderInput hands in a holder.
type NewHolderInput struct {
	Body struct {
		Numbered
		CardType string `json:"card_type" minLength:"1" maxLength:"32" doc:"Code of the card type"`
		Model    string `json:"model" enum:"B2B,B2C"`
		HolderPerson
	}
}

// ChangedHolderInput hands in a holder again.
type ChangedHolderInput struct {
	HolderInput
	Body HolderPerson
}

// RejectedHolderInput names a holder and says why it is rejected.
type RejectedHolderInput struct {
	HolderInput
	Body Because
}

func (s *service) listHolders(ctx context.Context, c caller, in *PageInput) (Page[CardHolder], error) {
	const list = "holders"
	before, err := in.position(list)
	if err != nil {
		return Page[CardHolder]{}, err
	}
	rows, err := s.holders.Holders(ctx, c.institution, before, in.Limit+1)
	return pageOf(*in, list, rows, func(h holders.Holder) int64 { return h.Number }, showHolder), err
}

func (s *service) getHolder(ctx context.Context, c caller, in *HolderInput) (CardHolder, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return CardHolder{}, err
	}
	h, err := s.holders.Holder(ctx, c.institution, id)
	return showHolder(h), err
}

func (s *service) submitHolder(ctx context.Context, c caller, in *NewHolderInput) (made[CardHolder], error) {
	model, err := card.ParseHolderModel(in.Body.Model)
	if err != nil {
		return made[CardHolder]{}, err
	}
	h, repeat, err := s.holders.Submit(ctx, money(c, in.Body.Reference), in.Body.CardType, model, holders.Person(in.Body.HolderPerson))
	return made[CardHolder]{showHolder(h), holdersPath + "/" + h.ID.String(), repeat}, err
}

func (s *service) resubmitHolder(ctx context.Context, c caller, in *ChangedHolderInput) (CardHolder, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return CardHolder{}, err
	}
	h, err := s.holders.Resubmit(ctx, money(c, ""), id, holders.Person(in.Body))
	return showHolder(h), err
}

// deciding is a step of the audit that needs no reason.
func (s *service) deciding(do func(*holders.Service, context.Context, ledger.Act, uuid.UUID) (holders.Holder, error)) func(context.Context, caller, *HolderInput) (CardHolder, error) {
	return func(ctx context.Context, c caller, in *HolderInput) (CardHolder, error) {
		id, err := parseID(in.ID)
		if err != nil {
			return CardHolder{}, err
		}
		h, err := do(s.holders, ctx, money(c, ""), id)
		return showHolder(h), err
	}
}

func (s *service) rejectHolder(ctx context.Context, c caller, in *RejectedHolderInput) (CardHolder, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return CardHolder{}, err
	}
	h, err := s.holders.Reject(ctx, money(c, ""), id, in.Body.Reason)
	return showHolder(h), err
}
