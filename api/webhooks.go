package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/delivery/webhook"
	"platen/services/webhooks"
	"platen/sql/store"
)

const webhooksPath = "/v1/webhooks"

// Webhook is an address that is told what happens.
type Webhook struct {
	ID        string    `json:"id" format:"uuid"`
	URL       string    `json:"url"`
	Objects   []string  `json:"objects" nullable:"false" doc:"Events of which kinds of objects it gets"`
	Form      string    `json:"form,omitempty" doc:"Of its messages; absent for the native one"`
	PublicKey string    `json:"public_key,omitempty" doc:"What messages of another form are verified with: RSA, PEM"`
	State     string    `json:"state" enum:"active,paused"`
	Waiting   int64     `json:"waiting" doc:"Messages that are due"`
	Delivered int64     `json:"delivered"`
	Dead      int64     `json:"dead" doc:"Messages that were not taken and are no longer tried"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	Secret    string    `json:"secret,omitempty" doc:"What messages are signed with; shown once, when it is made"`
}

func showWebhook(w webhooks.Webhook) Webhook {
	v := Webhook{ID: w.ID.String(), URL: w.URL, Objects: w.Objects, Form: w.Form, PublicKey: w.PublicKey, State: "active", Waiting: w.Counts[store.MessageDue], Delivered: w.Counts[store.MessageDelivered],
		Dead: w.Counts[store.MessageDead], CreatedAt: w.CreatedAt.UTC(), CreatedBy: w.CreatedBy}
	if w.Paused {
		v.State = "paused"
	}
	return v
}

// Message is one event for one webhook.
type Message struct {
	Number     int64      `json:"number"`
	ID         string     `json:"id" doc:"What the subscriber knows it by; a replay has the id of what it replays"`
	Type       string     `json:"type"`
	HappenedAt time.Time  `json:"happened_at"`
	Attempts   int        `json:"attempts"`
	Failure    string     `json:"failure,omitempty" doc:"Why it was not taken the last time"`
	TriedAt    *time.Time `json:"tried_at,omitempty"`
}

func showMessage(m store.Message) Message {
	return Message{Number: m.Number, ID: webhooks.MessageID(m), Type: webhooks.MessageType(m), HappenedAt: m.HappenedAt.UTC(), Attempts: m.Attempts, Failure: m.Failure, TriedAt: inUTC(m.TriedAt)}
}

// messageStates are the names of states.
var messageStates = map[string]store.MessageState{"waiting": store.MessageDue, "delivered": store.MessageDelivered, "dead": store.MessageDead}

func (s *service) routeWebhooks(api huma.API) {
	const tag, one = "webhooks", webhooksPath + "/{id}"
	read(s, api, operation("list-webhooks", webhooksPath, tag, "Addresses that are told what happens"), s.listWebhooks)
	read(s, api, operation("get-webhook", one, tag, "One webhook"), s.getWebhook)
	read(s, api, operation("list-webhook-messages", one+"/messages", tag, "Messages of a webhook in one state, newest first"), s.listMessages)
	read(s, api, change("add-webhook", http.MethodPost, webhooksPath, tag, "Have an address told what happens", http.StatusCreated), s.addWebhook)
	read(s, api, change("pause-webhook", http.MethodPost, one+"/pause", tag, "Stop sending; what happens meanwhile waits", http.StatusOK), s.pausing(true))
	read(s, api, change("resume-webhook", http.MethodPost, one+"/resume", tag, "Go on sending, at once", http.StatusOK), s.pausing(false))
	read(s, api, change("test-webhook", http.MethodPost, one+"/test", tag, "Send a message that says nothing, behind those that wait", http.StatusAccepted), s.testWebhook)
	read(s, api, change("replay-webhook", http.MethodPost, one+"/replay", tag, "Send messages again, behind those that wait", http.StatusAccepted), s.replayWebhook)
	removal := change("remove-webhook", http.MethodDelete, one, tag, "Stop telling an address", http.StatusNoContent)
	removal.Responses = problemResponses(api)
	removal.Responses["204"] = &huma.Response{Description: http.StatusText(http.StatusNoContent)}
	huma.Register(api, removal, s.removeWebhook)
}

// Webhooks is the list of an institution's webhooks.
type Webhooks struct {
	Webhooks []Webhook `json:"webhooks" nullable:"false"`
}

func (s *service) listWebhooks(ctx context.Context, c caller, _ *struct{}) (Webhooks, error) {
	v := Webhooks{Webhooks: []Webhook{}}
	all, err := s.Webhooks.List(ctx, c.institution.ID)
	for _, w := range all {
		v.Webhooks = append(v.Webhooks, showWebhook(w))
	}
	return v, err
}

// WebhookInput names a webhook.
type WebhookInput struct {
	ID string `path:"id" maxLength:"36"`
}

func (s *service) findWebhook(ctx context.Context, c caller, in *WebhookInput) (webhooks.Webhook, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return webhooks.Webhook{}, err
	}
	return s.Webhooks.Find(ctx, c.institution.ID, id)
}

func (s *service) getWebhook(ctx context.Context, c caller, in *WebhookInput) (Webhook, error) {
	w, err := s.findWebhook(ctx, c, in)
	return showWebhook(w), err
}

// NewWebhook asks for a webhook.
type NewWebhook struct {
	Body struct {
		URL     string   `json:"url" maxLength:"500" example:"https://cards.example/events" doc:"https, at a public address"`
		Objects []string `json:"objects,omitempty" nullable:"false" maxItems:"10" enum:"order,batch,file,return,card,operation,customer,account,holder,mass_issue" doc:"Events of which kinds of objects; without it, all"`
		Form    string   `json:"form,omitempty" maxLength:"32" doc:"How messages look: the name of a dialect that has a form of its own; without it, the native one"`
	}
}

func (s *service) addWebhook(ctx context.Context, c caller, in *NewWebhook) (Webhook, error) {
	w, secret, err := s.Webhooks.Add(ctx, c.institution.ID, webhooks.NewWebhook{URL: in.Body.URL, Objects: in.Body.Objects, Form: in.Body.Form}, c.actor())
	switch {
	case errors.Is(err, webhook.ErrURL), errors.Is(err, webhook.ErrAddress):
		return Webhook{}, problem(http.StatusUnprocessableEntity, "bad_url", err.Error())
	case errors.Is(err, webhooks.ErrObject):
		return Webhook{}, invalid("body.objects", err.Error())
	case errors.Is(err, webhooks.ErrForm):
		return Webhook{}, invalid("body.form", err.Error())
	case errors.Is(err, webhooks.ErrMany):
		return Webhook{}, problem(http.StatusConflict, "too_many_webhooks", err.Error())
	case err != nil:
		return Webhook{}, err
	}
	v := showWebhook(w)
	if w.Form == "" {
		v.Secret = secret.Reveal()
	}
	return v, nil
}

func (s *service) pausing(paused bool) func(context.Context, caller, *WebhookInput) (Webhook, error) {
	return func(ctx context.Context, c caller, in *WebhookInput) (Webhook, error) {
		w, err := s.findWebhook(ctx, c, in)
		if err == nil {
			err = s.Webhooks.Pause(ctx, w, paused, c.actor())
		}
		w.Paused = paused
		return showWebhook(w), err
	}
}

// Queued tells how many messages were put behind those that wait.
type Queued struct {
	Queued int64 `json:"queued"`
}

func (s *service) testWebhook(ctx context.Context, c caller, in *WebhookInput) (Queued, error) {
	w, err := s.findWebhook(ctx, c, in)
	if err == nil {
		err = s.Webhooks.Test(ctx, w, c.actor())
	}
	return Queued{Queued: 1}, err
}

// ReplayInput names messages of a webhook by state and number.
type ReplayInput struct {
	WebhookInput
	Body struct {
		State string `json:"state" enum:"delivered,dead" doc:"Which messages"`
		First int64  `json:"first" minimum:"1" doc:"Number of the first"`
		Last  int64  `json:"last" minimum:"1" doc:"Number of the last"`
	}
}

func (s *service) replayWebhook(ctx context.Context, c caller, in *ReplayInput) (Queued, error) {
	w, err := s.findWebhook(ctx, c, &in.WebhookInput)
	if err != nil {
		return Queued{}, err
	}
	n, err := s.Webhooks.Replay(ctx, w, in.Body.First, in.Body.Last, messageStates[in.Body.State], c.actor())
	return Queued{Queued: n}, err
}

func (s *service) removeWebhook(ctx context.Context, in *WebhookInput) (*struct{}, error) {
	c := callerOf(ctx)
	w, err := s.findWebhook(ctx, c, in)
	if err == nil {
		err = s.Webhooks.Remove(ctx, w, c.actor())
	}
	if err != nil {
		return nil, s.refuse(ctx, err)
	}
	return nil, nil
}

// MessagesInput asks for a webhook's messages.
type MessagesInput struct {
	WebhookInput
	PageInput
	State string `query:"state" enum:"waiting,delivered,dead" default:"dead"`
}

func (s *service) listMessages(ctx context.Context, c caller, in *MessagesInput) (Page[Message], error) {
	w, err := s.findWebhook(ctx, c, &in.WebhookInput)
	if err != nil {
		return Page[Message]{}, err
	}
	list := "messages " + in.State + " " + strconv.FormatUint(uint64(w.ID.ID()), 16)
	before, err := in.position(list)
	if err != nil {
		return Page[Message]{}, err
	}
	rows, err := s.Webhooks.Messages(ctx, w, messageStates[in.State], before, in.Limit+1)
	return pageOf(in.PageInput, list, rows, func(m store.Message) int64 { return m.Number }, showMessage), err
}
