package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"platen/formats"
)

// describeSubmissions writes into the OpenAPI document what huma does not serve.
func describeSubmissions(api huma.API) {
	reference := &huma.Param{Name: "reference", In: "query", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: new(64)},
		Description: "The client's own name for the order, unique for ever. A document may hold it itself"}
	key := &huma.Param{Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: new(64)},
		Description: "Makes a repetition of the request safe, and stands in for a missing reference"}
	mapping := &huma.Param{Name: "mapping", In: "query", Schema: &huma.Schema{Type: huma.TypeString},
		Description: "A declared mapping, by which the file of another system is taken as it is"}
	id := &huma.Param{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString, MaxLength: new(36)}, Description: "The order's id"}

	document := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Required: []string{"kind", "rows"}, Properties: map[string]*huma.Schema{
		"reference": {Type: huma.TypeString, MaxLength: new(64)},
		"kind":      kindSchema(),
		"rows":      {Type: huma.TypeArray, Items: rowSchema(false), MinItems: new(1), Description: "The last member, so that rows stream"},
	}}
	theirs := &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}, MinItems: new(1),
		Description: "With a mapping: rows as the other system names their members"}
	corrected := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Required: []string{"rows"}, Properties: map[string]*huma.Schema{
		"kind": kindSchema(),
		"rows": {Type: huma.TypeArray, Items: rowSchema(true), MinItems: new(1), Description: "The last member, so that rows stream"},
	}}
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "submit-order", Method: http.MethodPost, Path: submitPath, Tags: []string{"orders"}, Summary: "Submit an order",
		Description: "Rows are checked as they stream: good ones are taken in, bad ones wait for a correction. The order is stored before it is answered; a body that " +
			"breaks off leaves nothing. The same reference with the same content answers the first result.",
		Parameters: []*huma.Param{reference, mapping, key}, RequestBody: submissionBody(document, theirs), Responses: submissionResponses(api),
	})
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "correct-order", Method: http.MethodPost, Path: correctPath, Tags: []string{"orders"}, Summary: "Send corrected rows of an order",
		Description: "Each row says by its line which refused row it replaces. The correction is taken as a whole or not at all; rows that are still wrong go on waiting.",
		Parameters:  []*huma.Param{id}, RequestBody: orderBody(corrected), Responses: submissionResponses(api),
	})
}

func orderBody(document *huma.Schema) *huma.RequestBody {
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		csvType:  {Schema: &huma.Schema{Type: huma.TypeString, Description: "A header line and a line for each row; the columns tell the kind of order"}},
		jsonType: {Schema: document},
	}}
}

// submissionBody is a body with the forms that only new orders have.
func submissionBody(document, theirs *huma.Schema) *huma.RequestBody {
	body := orderBody(&huma.Schema{OneOf: []*huma.Schema{document, theirs}})
	lines := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Description: "JSON Lines: an object for each row; the members of the first tell the kind of order"}}
	body.Content[jsonlType], body.Content[ndjsonType] = lines, lines
	return body
}

func kindSchema() *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: []any{formats.MassOrder.String(), formats.BulkOrder.String(), formats.ActionOrder.String()}}
}

// rowSchema describes a row by the members that are read.
func rowSchema(correction bool) *huma.Schema {
	row := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: map[string]*huma.Schema{}}
	for name := range rowMembers {
		row.Properties[name] = &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString}, {Type: "null"}}}
	}
	number := row.Properties["quantity"]
	number.OneOf = append(number.OneOf, &huma.Schema{Type: huma.TypeInteger, Format: "int64"})
	truth := row.Properties["same_day"]
	truth.OneOf = append(truth.OneOf, &huma.Schema{Type: huma.TypeBoolean})
	if correction {
		row.Properties[lineMember] = &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: new(float64(2))}
		row.Required = []string{lineMember}
	}
	return row
}

func submissionResponses(api huma.API) map[string]*huma.Response {
	responses := problemResponses(api)
	order := func(description string, headers map[string]*huma.Param) *huma.Response {
		headers["Location"] = &huma.Param{Schema: &huma.Schema{Type: huma.TypeString}, Description: "Where the order is read"}
		return &huma.Response{Description: description, Headers: headers, Content: map[string]*huma.MediaType{jsonType: {Schema: schemaOf[Order](api)}}}
	}
	responses["201"] = order("Taken in", map[string]*huma.Param{})
	responses["200"] = order("Was taken in before, with the same content", map[string]*huma.Param{
		"Idempotent-Replay": {Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"true"}}, Description: "Marks a repetition"},
	})
	return responses
}
