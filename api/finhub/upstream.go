package finhub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"platen/api"
	"platen/delivery/webhook"
	"platen/hsm/rsasign"
	"platen/programs"
)

// clientHeader says to an upstream whose request it is.
const clientHeader = "X-Fc-Api-Key"

// anywhere carries an operation out here (playground), or hands it on to the upstream that the tenant declares (integration).
func (s *service) anywhere(path string, here api.Handler) api.Handler {
	return func(ctx context.Context, c *api.Call) (api.Reply, error) {
		if c.Dialect.Upstream == (programs.Upstream{}) {
			return here(ctx, c)
		}
		reply, err := s.forward(ctx, c, c.Dialect.Upstream, path)
		if err != nil {
			p := api.Refusal(http.StatusBadGateway, "upstream_failed", "the service behind this one does not answer as it should; whether the request was carried out is not known: ask again under the same number")
			return reply, p.Because(fmt.Errorf("upstream of %s: %w", c.Institution.Code, err))
		}
		return reply, nil
	}
}

// errUnverified says that an answer is not signed by the upstream.
var errUnverified = errors.New("the answer is not signed by the upstream")

// forward sends a body as it came, signed, and gives back what the upstream answers and signs.
func (s *service) forward(ctx context.Context, c *api.Call, u programs.Upstream, path string) (api.Reply, error) {
	body := c.Content
	if len(body) == 0 {
		body = []byte("{}")
	}
	if !json.Valid(body) {
		return api.Reply{}, errors.New("the body is not a JSON document")
	}
	text, err := s.plant.ResolveKey(u.KeyFile)
	if err != nil {
		return api.Reply{}, err
	}
	defer text.Wipe()
	key, err := rsasign.ParseKey(text)
	if err != nil {
		return api.Reply{}, fmt.Errorf("key file: %w", err)
	}
	theirs, err := rsasign.ParsePublicKey(u.PublicKey)
	if err != nil {
		return api.Reply{}, fmt.Errorf("public key: %w", err)
	}
	answer, err := s.sender.Ask(ctx, strings.TrimSuffix(u.URL, "/")+path, webhook.KeyPair{Key: key, Header: signatureHeader}, webhook.Message{Body: body, Header: http.Header{clientHeader: {u.Client}}})
	if err != nil {
		return api.Reply{}, err
	}
	if err := theirs.Verify(answer.Body, answer.Header.Get(signatureHeader)); err != nil {
		return api.Reply{}, fmt.Errorf("%w (status %d)", errUnverified, answer.Status)
	}
	if !json.Valid(answer.Body) {
		return api.Reply{}, errors.New("the answer is not a JSON document")
	}
	return api.Reply{Status: answer.Status, Body: json.RawMessage(answer.Body)}, nil
}
