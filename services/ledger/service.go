package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"platen/batch"
	"platen/card"
	"platen/sql/store"
)

// Errors that a client decides on. With any of them nothing was posted; ErrFunds is that of an operation that is on record as failed.
var (
	ErrName      = errors.New("a reference is 1 to 65 characters of printable ASCII without blanks or a card number")
	ErrReference = errors.New("this reference was used for something else")
	ErrRemark    = errors.New("a remark is up to 50 characters of printable ASCII without a card number")
	ErrCurrency  = errors.New("the account is in another currency")
	ErrKind      = errors.New("accounts of this kind do not do this")
	ErrSame      = errors.New("money moves between two accounts")
	ErrTaken     = errors.New("the card has an account")
)

// Failures of operations: stable codes.
const (
	FailureFunds    = "insufficient_funds" // the account does not hold as much
	FailureRetained = "balance_retained"   // it does, but a withdrawal must leave more on the card
	FailureBalance  = "balance_limit"      // the other account cannot hold as much more
)

// Service works on the ledger of a plant.
type Service struct{ Plant *batch.Plant }

// Act is who asks for an operation, and the client's own number for it: the same number with the same content is answered with what came of it the first time.
type Act struct {
	Institution store.Institution
	Actor       string
	Reference   string
}

// Sum is an amount as a client gives it, such as 12.50; without a currency it is in the account's.
type Sum struct {
	Amount   string
	Currency string
	Remark   string
}

// Done is an operation and whether it was carried out before.
type Done struct {
	store.Operation
	Replay bool
}

// CarryOut is Within in a transaction of its own.
func (s *Service) CarryOut(ctx context.Context, a Act, kind card.OperationKind, content any, do func(*store.Tx, *store.Operation) error) (Done, error) {
	var d Done
	err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		d, err = s.Within(ctx, tx, a, kind, content, do)
		return err
	})
	if err != nil {
		return Done{}, err
	}
	return d, nil
}

// Within records an operation and does it in one transaction, with its event. do fills the operation in; it leaves a failure there if it cannot be done, and has then changed nothing
// that must not stand beside a failure. An operation that was asked for before is answered as it ended, whatever do would say now. content is what is asked for: another one under the same
// reference fails with ErrReference.
func (s *Service) Within(ctx context.Context, tx *store.Tx, a Act, kind card.OperationKind, content any, do func(*store.Tx, *store.Operation) error) (Done, error) {
	if err := checkReference(a.Reference); err != nil {
		return Done{}, err
	}
	asked, err := fingerprint(kind, content)
	if err != nil {
		return Done{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Done{}, fmt.Errorf("make an id: %w", err)
	}
	now := s.Plant.Now()
	d := Done{Operation: store.Operation{ID: id, Institution: a.Institution.ID, Reference: a.Reference, Kind: kind, State: card.OperationWaiting, Fingerprint: asked,
		RequestedBy: a.Actor, CreatedAt: now}}
	fresh, err := tx.InsertOperation(ctx, &d.Operation)
	if err != nil {
		return Done{}, err
	}
	if !fresh {
		d.Replay = true
		d.Operation, err = tx.OperationByReference(ctx, a.Institution.ID, a.Reference)
		if err == nil && string(d.Fingerprint) != string(asked) {
			err = ErrReference
		}
		return d, err
	}
	if err := do(tx, &d.Operation); err != nil {
		return Done{}, err
	}
	next := card.OperationSuccess
	if d.Failure != "" {
		next = card.OperationFail
	}
	d.EndedAt = &now
	if err := tx.MoveOperation(ctx, &d.Operation, next); err != nil {
		return Done{}, err
	}
	data := map[string]any{"operation": kind.String(), "by": a.Actor}
	if d.Failure != "" {
		data["failure"] = d.Failure
	}
	return d, tx.Record(ctx, a.Institution.ID, "operation", d.Number, next.String(), data, now)
}

// fingerprint tells whether two operations of one reference ask for the same.
func fingerprint(kind card.OperationKind, content any) ([]byte, error) {
	body, err := json.Marshal(map[string]any{"kind": kind, "content": content})
	if err != nil {
		return nil, fmt.Errorf("fingerprint of an operation: %w", err)
	}
	sum := sha256.Sum256(body)
	return sum[:], nil
}

// Check checks the client's own number; it fails with ErrName.
func (a Act) Check() error { return checkReference(a.Reference) }

func checkReference(reference string) error {
	if reference == "" || len(reference) > 65 || !printable(reference, '!') || batch.ReferenceHoldsCardNumber(reference) {
		return ErrName
	}
	return nil
}

// CheckRemark checks what a client says with an operation, or of a card; it fails with ErrRemark.
func CheckRemark(text string) error {
	if len(text) > maxRemark || !printable(text, ' ') || batch.HoldsCardNumber(text) {
		return ErrRemark
	}
	return nil
}

const maxRemark = 50

// printable tells whether a text is printable ASCII from a first character on.
func printable(text string, first byte) bool {
	for _, c := range []byte(text) {
		if c < first || c > '~' {
			return false
		}
	}
	return true
}

// Operation shows an operation by the client's own number.
func (s *Service) Operation(ctx context.Context, i store.Institution, reference string) (store.Operation, error) {
	if checkReference(reference) != nil {
		return store.Operation{}, store.ErrNotFound
	}
	return s.Plant.Store.OperationByReference(ctx, i.ID, reference)
}
