package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

const about = `Orders for cards go in, and what became of every card comes out. Cards are named by tokens; no card number is ever shown.

Every answer belongs to the institution of the key. What belongs to another is answered like what does not exist.

A member that is null counts as one that is not given, and so does a parameter that is empty.`

// routeV1 registers every operation of /v1, and the OpenAPI document that describes them.
func (s *service) routeV1() {
	config := huma.DefaultConfig("Platen", s.Version)
	config.Info.Description = about
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.RejectUnknownQueryParameters = true
	config.Transformers = []huma.Transformer{s.asProblem}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "The key of an API client, made by platen client create"},
	}
	config.Security = []map[string][]string{{"key": {}}}
	described := humago.New(guarded{s}, config)
	s.routeOrders(described)
	s.routeSubmissions(described)
	s.routeCards(described)
	s.routeCustomers(described)
	s.routeAccounts(described)
	s.routeMassIssues(described)
	s.routePINs(described)
	s.routeValues(described)
	s.routeFiles(described)
	s.routeBatches(described)
	s.routeReturns(described)
	s.routeBooks(described)
	s.routeSchedules(described)
	s.routeCardTypes(described)
	s.routeHolders(described)
	s.routeRedemptions(described)
	s.routeLedger(described)
	s.routeWebhooks(described)
	s.routeSimulator(described)
	s.serveDocument(described.OpenAPI())
}

// serveDocument serves the OpenAPI document without a key. It is rendered when it is first asked for: few processes ever are.
func (s *service) serveDocument(document *huma.OpenAPI) {
	serve := func(path, contentType string, render func() ([]byte, error)) {
		body := sync.OnceValue(func() []byte {
			body, err := render()
			if err != nil {
				panic(fmt.Errorf("describe the API: %w", err))
			}
			return body
		})
		s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write(body())
		})
	}
	serve("/openapi.json", "application/openapi+json", document.MarshalJSON)
	serve("/openapi.yaml", "application/openapi+yaml", document.YAML)
}

// operation describes a read.
func operation(id, path, tag, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{tag}}
}

// body is an answer with nothing but a body.
type body[T any] struct{ Body T }

// change describes an operation that changes something.
func change(id, method, path, tag, summary string, status int) huma.Operation {
	op := operation(id, path, tag, summary)
	op.Method, op.DefaultStatus = method, status
	return op
}

// read registers an operation that shows something to its caller.
func read[I, T any](s *service, api huma.API, op huma.Operation, show func(context.Context, caller, *I) (T, error)) {
	if op.DefaultStatus == 0 {
		op.DefaultStatus = http.StatusOK
	}
	op.Responses = problemResponses(api)
	op.Responses[strconv.Itoa(op.DefaultStatus)] = &huma.Response{Description: http.StatusText(op.DefaultStatus)}
	huma.Register(api, op, func(ctx context.Context, in *I) (*body[T], error) {
		v, err := show(ctx, callerOf(ctx), in)
		if err != nil {
			return nil, s.refuse(ctx, err)
		}
		return &body[T]{v}, nil
	})
}

func schemaOf[T any](api huma.API) *huma.Schema {
	return api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}

// problemResponses describes every refusal at once.
func problemResponses(api huma.API) map[string]*huma.Response {
	return map[string]*huma.Response{"default": {
		Description: "A problem; its code tells which",
		Content:     map[string]*huma.MediaType{problemType: {Schema: schemaOf[Problem](api)}},
	}}
}
