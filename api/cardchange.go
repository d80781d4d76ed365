package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"platen/card"
	"platen/services/cards"
)

func (s *service) routeCardChanges(api huma.API) {
	const one = cardPath + "/{token}"
	read(s, api, change("activate-card", http.MethodPost, one+"/activate", "cards", "Put the newest issue of a card into use", http.StatusOK), s.activateCard)
	read(s, api, change("block-card", http.MethodPost, one+"/block", "cards", "Stop a card until it is unblocked", http.StatusOK), s.blockCard)
	read(s, api, change("unblock-card", http.MethodPost, one+"/unblock", "cards", "Let a blocked card go on", http.StatusOK), s.unblockCard)
	read(s, api, change("close-card", http.MethodPost, one+"/close", "cards", "End a card for good", http.StatusOK), s.closeCard)
}

// ReasonInput names a card and says why something is done to it.
type ReasonInput struct {
	CardInput
	Body Because
}

func act(c caller, name string) cards.Act {
	return cards.Act{Institution: c.institution, Card: name, Actor: c.actor()}
}

func (s *service) activateCard(ctx context.Context, c caller, in *CardInput) (Card, error) {
	if err := s.cards.Activate(ctx, act(c, in.Token)); err != nil {
		return Card{}, err
	}
	return s.getCard(ctx, c, in)
}

func (s *service) blockCard(ctx context.Context, c caller, in *ReasonInput) (Card, error) {
	if err := s.cards.Block(ctx, act(c, in.Token), in.Body.Reason); err != nil {
		return Card{}, err
	}
	return s.getCard(ctx, c, &in.CardInput)
}

func (s *service) unblockCard(ctx context.Context, c caller, in *ReasonInput) (Card, error) {
	if err := s.cards.Unblock(ctx, act(c, in.Token), in.Body.Reason); err != nil {
		return Card{}, err
	}
	return s.getCard(ctx, c, &in.CardInput)
}

// CloseInput names a card, what ends it, and why.
type CloseInput struct {
	CardInput
	Body struct {
		Because
		For string `json:"for,omitempty" enum:"REQUEST,LOST,STOLEN,COMPROMISED" default:"REQUEST" doc:"What ends it; no other card takes its place"`
	}
}

func (s *service) closeCard(ctx context.Context, c caller, in *CloseInput) (Card, error) {
	because, err := card.ParseReason(in.Body.For)
	if err != nil {
		return Card{}, err
	}
	if err := s.cards.Close(ctx, act(c, in.Token), because, in.Body.Reason); err != nil {
		return Card{}, err
	}
	return s.getCard(ctx, c, &in.CardInput)
}
