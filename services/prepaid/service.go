package prepaid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"platen/batch"
	"platen/card"
	"platen/services/cards"
	"platen/services/holders"
	"platen/services/ledger"
	"platen/services/pins"
	"platen/sql/store"
)

// Errors that a client decides on. With any of them nothing is posted, and nothing is on record.
var (
	ErrNumberNeeded = errors.New("cards of this type are opened by the number that is printed on them")
	ErrNumber       = errors.New("cards of this type are opened without a number")
	ErrNotOurs      = errors.New("no card has this number")
	ErrOtherType    = errors.New("the card is of another type")
	ErrNotProduced  = errors.New("the card has not been produced yet")
	ErrBound        = errors.New("the card is bound already")
	ErrAutomatic    = errors.New("cards of this type are put into use when they are opened")
	ErrPIN          = errors.New("the PIN has another length than those of the card type")
	ErrCodeLocked   = errors.New("a wrong activation code was given too often")
)

// FailureCode is why an activation failed: its code was wrong.
const FailureCode = "activation_code_wrong"

// MaxWrong is how many wrong activation codes lock a card.
const MaxWrong = 5

// Service opens and changes the prepaid cards of a plant. Label is the key that activation codes and the codes of gift cards are sealed under.
type Service struct {
	Plant   *batch.Plant
	Label   card.KeyLabel
	ledger  *ledger.Service
	cards   *cards.Service
	pins    *pins.Service
	holders *holders.Service
}

// New makes the service of a plant.
func New(plant *batch.Plant, label card.KeyLabel) *Service {
	return &Service{Plant: plant, Label: label, ledger: &ledger.Service{Plant: plant}, cards: &cards.Service{Plant: plant}, pins: &pins.Service{Plant: plant}, holders: &holders.Service{Plant: plant}}
}

// Card is a card that was opened, as it is now.
type Card struct {
	store.PrepaidCard
	Account    store.LedgerAccount
	Card       store.Card
	Token      string
	Product    *card.Product
	Attributes Attributes
	Frozen     bool      // blocked by Freeze
	Holder     uuid.UUID // uuid.Nil = nobody
}

// Attributes are what an institution asks for of a card. They are kept and shown; nothing is authorised here.
type Attributes struct {
	NoPINPayment *int     `json:"no_pin_payment,omitempty"` // up to which amount no PIN is asked for, in whole units
	AllowedMCC   []string `json:"allowed_mcc,omitempty"`
	BlockedMCC   []string `json:"blocked_mcc,omitempty"`
	Spending     []Limit  `json:"spending,omitempty"`
}

// Limit bounds what is spent with a card in an interval.
type Limit struct {
	Interval string `json:"interval"`
	Amount   string `json:"amount"`
}

// Find shows a card of an institution by its token; one that was not opened with its account is store.ErrNotFound.
func (s *Service) Find(ctx context.Context, i store.Institution, token string) (Card, error) {
	return s.find(ctx, s.Plant.Store.Q, i, token)
}

func (s *Service) find(ctx context.Context, q store.Q, i store.Institution, token string) (Card, error) {
	id, err := s.Plant.FindCard(ctx, i, token)
	if err != nil {
		return Card{}, err
	}
	account, err := q.LedgerAccountOfCard(ctx, i.ID, id)
	if err != nil {
		return Card{}, err
	}
	known, err := q.PrepaidCard(ctx, i.ID, account.Number)
	if err != nil {
		return Card{}, err
	}
	return s.show(ctx, q, i, known, account)
}

func (s *Service) show(ctx context.Context, q store.Q, i store.Institution, known store.PrepaidCard, account store.LedgerAccount) (Card, error) {
	v := Card{PrepaidCard: known, Account: account}
	var err error
	if err = json.Unmarshal([]byte(known.Attributes), &v.Attributes); err != nil {
		return v, fmt.Errorf("attributes of the card of account %s cannot be read", account.ID)
	}
	if v.Card, err = q.Card(ctx, *account.Card); err != nil {
		return v, err
	}
	if v.Token, err = s.Plant.Token(ctx, v.Card.ID); err != nil {
		return v, err
	}
	if v.Product, err = s.Plant.ProductByNumber(ctx, q, i, v.Card.Product); err != nil {
		return v, err
	}
	if account.Holder != nil {
		h, err := q.HolderByNumber(ctx, i.ID, *account.Holder)
		if err != nil {
			return v, err
		}
		v.Holder = h.ID
	}
	v.Frozen, err = s.frozen(ctx, q, i, v.Card)
	return v, err
}

// Cards lists the cards of an institution that were opened, newest first, before an account's number when it is not 0.
func (s *Service) Cards(ctx context.Context, i store.Institution, before int64, limit int) ([]Card, error) {
	rows, err := s.Plant.Store.PrepaidCards(ctx, i.ID, before, limit)
	if err != nil {
		return nil, err
	}
	all := make([]Card, len(rows))
	for n, row := range rows {
		account, err := s.Plant.Store.LedgerAccountByNumber(ctx, i.ID, row.Account)
		if err != nil {
			return nil, err
		}
		if all[n], err = s.show(ctx, s.Plant.Store.Q, i, row, account); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Operations lists what was done to a card, newest first, before a number when it is not 0.
func (s *Service) Operations(ctx context.Context, i store.Institution, c Card, before int64, limit int) ([]store.Operation, error) {
	return s.Plant.Store.OperationsOfCard(ctx, i.ID, c.PrepaidCard.Account, before, limit)
}

// Act is who does something to a card, and the client's own number for it.
type Act struct {
	ledger.Act
	Card string // token
}

func (a Act) card() cards.Act {
	return cards.Act{Institution: a.Institution, Card: a.Card, Actor: a.Actor}
}

// on carries out an operation on a card, which is locked meanwhile and shown as it is then.
func (s *Service) on(ctx context.Context, a Act, kind card.OperationKind, content any, do func(*store.Tx, *store.Operation, Card) error) (ledger.Done, error) {
	c, err := s.Find(ctx, a.Institution, a.Card)
	if err != nil {
		return ledger.Done{}, err
	}
	return s.ledger.CarryOut(ctx, a.Act, kind, []any{int64(c.Card.ID), content}, func(tx *store.Tx, o *store.Operation) error {
		if _, err := tx.LockCard(ctx, c.Card.ID); err != nil {
			return err
		}
		known, err := tx.LockPrepaidCard(ctx, a.Institution.ID, c.PrepaidCard.Account)
		if err != nil {
			return err
		}
		now, err := s.show(ctx, tx.Q, a.Institution, known, c.Account)
		if err != nil {
			return err
		}
		o.CardAccount, o.Currency, o.Exponent = &c.Account.Number, c.Account.Currency, c.Account.Exponent
		return do(tx, o, now)
	})
}
