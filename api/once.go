package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// onceAnswer is the answer to what is done once for each reference: 200 when it was done before.
type onceAnswer[T any] struct {
	Status   int
	Location string `header:"Location"`
	Replay   string `header:"Idempotent-Replay"`
	Body     T
}

// made is something that is made once for each reference.
type made[T any] struct {
	value    T
	location string
	repeat   bool
}

// once registers an operation that is carried out once for each reference.
func once[I, T any](s *service, api huma.API, op huma.Operation, do func(context.Context, caller, *I) (made[T], error)) {
	op.Responses = problemResponses(api)
	op.Responses["201"] = &huma.Response{Description: "Done"}
	op.Responses["200"] = &huma.Response{Description: "It was here before; nothing was done again", Content: map[string]*huma.MediaType{jsonType: {Schema: schemaOf[T](api)}}}
	huma.Register(api, op, func(ctx context.Context, in *I) (*onceAnswer[T], error) {
		m, err := do(ctx, callerOf(ctx), in)
		if err != nil {
			return nil, s.refuse(ctx, err)
		}
		a := &onceAnswer[T]{Status: http.StatusCreated, Location: m.location, Body: m.value}
		if m.repeat {
			a.Status, a.Replay = http.StatusOK, "true"
		}
		return a, nil
	})
}
