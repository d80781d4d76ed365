// Package api is Platen's HTTP: orders in, and what became of them out, for one institution a key.
//
// It holds no business rule: it says who asks, reads what was sent as a stream, calls package batch, and shows what the store knows. A
// caller's key is the only source of its institution, and what belongs to another institution is answered like what does not exist.
// No card number, track, code or PIN ever passes through here; cards are named by their tokens.
//
// Operations are described in OpenAPI 3.1 and served by huma, except for the two that take an order's rows: those are streamed from the
// connection into batch and described by hand.
package api
