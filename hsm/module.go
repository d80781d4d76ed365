// Package hsm is the security boundary: keys live here and card cryptography happens here. Module is what may be replaced by a
// hardware security module; Vault always runs on the local keystore. Clear PINs exist only inside a Module. No other package of
// Platen imports a block cipher.
package hsm

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"platen/card"
)

// Errors that every Module and Vault answers with. None carries a value of a card.
var (
	ErrUnknownKey = errors.New("no such key in the keystore")
	ErrKeyUsage   = errors.New("key may not be used for this")
	ErrRealBIN    = errors.New("the software module refuses card numbers outside the published test BINs")
	ErrPINBlock   = errors.New("PIN block is not valid") // one error for every fault, so that it tells an attacker nothing
	ErrWeakPIN    = errors.New("the PIN is too easy to guess")
	ErrClearPIN   = errors.New("the security module takes PINs in blocks only")
	ErrToken      = errors.New("not a card token")
	ErrNotInRange = errors.New("card number does not belong to the range")
	ErrSealed     = errors.New("a sealed secret cannot be opened: it was changed, or is another's")
)

// CodeRequest asks for one card verification value. ServiceCode is the card's own for CVV, 000 for CVV2, 999 for iCVV;
// MMYY turns the expiry into printed order, which some issuers use for CVV2.
type CodeRequest struct {
	PAN         card.PAN
	Expiry      card.Expiry
	ServiceCode [3]byte
	MMYY        bool
}

// pinDataSize is the most bytes that a module's stored PIN may take.
const pinDataSize = 48

// PIN is an encrypted PIN as its module keeps it: opaque bytes that begin with the module's tag. It is bound to the PAN it was made
// for. The zero PIN is none.
type PIN struct {
	n uint8
	b [pinDataSize]byte
}

// NewPIN copies stored bytes.
func NewPIN(b []byte) (PIN, error) {
	if len(b) > pinDataSize {
		return PIN{}, ErrPINBlock
	}
	var p PIN
	p.n = uint8(copy(p.b[:], b))
	return p, nil
}

// Bytes is what the store keeps; empty for no PIN.
func (p *PIN) Bytes() []byte { return p.b[:p.n] }

// IsZero tells whether there is no PIN.
func (p *PIN) IsZero() bool { return p.n == 0 }

// Format implements fmt.Formatter: every verb prints a mask.
func (p PIN) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[encrypted PIN]")) }

// MarshalText implements encoding.TextMarshaler with a mask.
func (p PIN) MarshalText() ([]byte, error) { return []byte("[encrypted PIN]"), nil }

// Value implements driver.Valuer: the encrypted bytes.
func (p PIN) Value() (driver.Value, error) { return append([]byte(nil), p.Bytes()...), nil }

// PINFormat is a PIN-block format of ISO 9564-1.
type PINFormat uint8

// The formats that may travel to a bureau or be stored, and those that may only come in, for their fill is random.
const (
	ISO0 PINFormat = 0 // 8 bytes under a double-length TDES zone key
	ISO1 PINFormat = 1 // the same, bound to no account
	ISO3 PINFormat = 3 // as format 0, with random fill
	ISO4 PINFormat = 4 // 16 bytes under an AES key
)

// PINUse is what an incoming PIN is for.
type PINUse uint8

// The uses of incoming PINs.
const (
	PresentedPIN PINUse = iota + 1 // to be compared with the card's; any PIN is taken
	ChosenPIN                      // to be the card's from now on; what is easy to guess is refused
)

// IBM3624 is how a product verifies derived PINs.
type IBM3624 struct {
	DecTable   string // 16 decimal digits, at least 8 different, none more than 4 times
	Validation string // Thales template: 12 characters with one N
	Length     int
}

// PVV is a Visa PIN verification value: four ASCII digits.
type PVV [4]byte

// Offset is an IBM 3624 PIN offset: n ASCII digits, left.
type Offset struct {
	N      uint8
	Digits [12]byte
}

// pinCheck is what PIN verification data shows instead of itself.
const pinCheck = "[PIN check]"

// Format implements fmt.Formatter: every verb prints a mask.
func (v PVV) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(pinCheck)) }

// MarshalText implements encoding.TextMarshaler with a mask.
func (v PVV) MarshalText() ([]byte, error) { return []byte(pinCheck), nil }

// Format implements fmt.Formatter: every verb prints a mask.
func (o Offset) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(pinCheck)) }

// MarshalText implements encoding.TextMarshaler with a mask.
func (o Offset) MarshalText() ([]byte, error) { return []byte(pinCheck), nil }

// Module does the card cryptography. Every method takes slices of equal length, one element a card, and either does all of them
// or fails; a failure leaves out undefined. Methods may be called by many goroutines at once. Keys are named, never handed over.
type Module interface {
	// Tag is the first byte of every PIN this module made.
	Tag() byte

	// Formats are the PIN-block formats that the module makes repeatably and opens.
	Formats() []PINFormat

	// IncomingFormats are the PIN-block formats in which PINs may come in: what CheckBlocks and ImportPINs take.
	IncomingFormats() []PINFormat

	// Codes computes card verification values (Visa CVV, Mastercard CVC 1: three digits) into out, whose cells are 3 wide.
	Codes(ctx context.Context, cvk card.KeyRef, in []CodeRequest, out card.Secrets) error

	// CSCs computes American Express card security codes of version 1 into out, whose cells are 12 wide: of each card the five digits of the
	// stripe, the four of the front and the three of the signature panel, as package amex takes them apart. A number that is not one of 15
	// digits beginning 34 or 37 fails with an InputError of pan. The key is one of usage C0 as a CVK is, for X9.143 knows no other for it.
	CSCs(ctx context.Context, csck card.KeyRef, pans []card.PAN, expiries []card.Expiry, out card.Secrets) error

	// GeneratePINs draws a random PIN of length digits for each PAN and stores it under the storage key. objects number the
	// draws: with a seeded source of randomness the same object gets the same PIN. Trivial PINs are redrawn.
	GeneratePINs(ctx context.Context, storage card.KeyRef, length int, pans []card.PAN, objects []uint64, out []PIN) error

	// DerivePINs computes IBM 3624 natural PINs and stores them under the storage key.
	DerivePINs(ctx context.Context, storage, pvk card.KeyRef, scheme IBM3624, pans []card.PAN, out []PIN) error

	// PVVs computes Visa PIN verification values with the key index pvki (ABA PVV, four leftmost PIN digits).
	PVVs(ctx context.Context, storage, pvk card.KeyRef, pvki int, pans []card.PAN, pins []PIN, out []PVV) error

	// Offsets computes IBM 3624 offsets of stored PINs.
	Offsets(ctx context.Context, storage, pvk card.KeyRef, scheme IBM3624, pans []card.PAN, pins []PIN, out []Offset) error

	// TransferPINs binds stored PINs to new PANs; from and to pair up.
	TransferPINs(ctx context.Context, storage card.KeyRef, from []card.PAN, pins []PIN, to []card.PAN, out []PIN) error

	// ExportPINs re-encrypts stored PINs under a zone key for a bureau, bound to accounts: the PANs themselves in a card file,
	// mailer references in a PIN-mailer file. Cells of out hold 8 bytes (ISO 0) or 16 (ISO 4). The same input gives the same bytes:
	// where a format wants random fill, the fill is a keyed function of the account.
	ExportPINs(ctx context.Context, storage, zpk card.KeyRef, format PINFormat, pans []card.PAN, pins []PIN, accounts []card.PAN, out card.Secrets) error

	// BlockPVVs is what the receiver of a file does: it opens PIN blocks under the zone key and computes their PVVs. A malformed
	// block fails with ErrPINBlock.
	BlockPVVs(ctx context.Context, zpk card.KeyRef, format PINFormat, accounts []card.PAN, blocks card.Secrets, pvk card.KeyRef, pvki int, out []PVV) error

	// CheckBlocks opens PIN blocks under the zone key, bound to accounts, and tells only whether all are well formed with PINs of length digits.
	CheckBlocks(ctx context.Context, zpk card.KeyRef, format PINFormat, accounts []card.PAN, blocks card.Secrets, length int) error

	// ImportPINs is ExportPINs the other way round: it opens PIN blocks under a zone key, bound to the PANs, and stores their PINs of length digits
	// under the storage key. A malformed block and a PIN of another length fail with ErrPINBlock, a chosen PIN that is easy to guess with
	// ErrWeakPIN; a module that keeps the list of such PINs itself may say so only when PVVs or Offsets asks about the PIN.
	ImportPINs(ctx context.Context, zpk card.KeyRef, format PINFormat, use PINUse, length int, pans []card.PAN, blocks card.Secrets, storage card.KeyRef, out []PIN) error

	// DataModes are the modes in which the module enciphers data.
	DataModes() []DataMode

	// EncryptData enciphers values of whole blocks, 1 to MaxData bytes each, under a zone encryption key (usage D3) into out, whose cells must
	// have room for them; an empty value stays empty. out may be data itself. The same value becomes the same bytes. A value that is not of
	// whole blocks fails with an InputError of data, another key with ErrKeyUsage.
	EncryptData(ctx context.Context, zek card.KeyRef, mode DataMode, data, out card.Secrets) error

	// DecryptData is what the receiver does: it inverts EncryptData.
	DecryptData(ctx context.Context, zek card.KeyRef, mode DataMode, data, out card.Secrets) error

	// KeyVersion resolves a label to its current version and check value (6 hex digits).
	KeyVersion(ctx context.Context, key card.KeyRef) (version int, kcv string, err error)

	// Ready answers nil when the module can work.
	Ready(ctx context.Context) error
}

// PINTaker is a Module that takes PINs as their digits too, from clients whose protocol has them so. Whoever hands one over wipes it.
type PINTaker interface {
	// TakePINs stores PINs of length digits (ASCII) under the storage key, bound to the PANs. Another form fails with an InputError, a chosen PIN that is easy to guess with ErrWeakPIN.
	TakePINs(ctx context.Context, use PINUse, length int, pans []card.PAN, digits []card.Secret, storage card.KeyRef, out []PIN) error
}

// Vault holds the two permutations that make card numbers and tokens, and seals secrets. It always runs on the local keystore.
type Vault interface {
	// PANs fills out[i] with the card number of sequences[i] in r, under the permutation key (FF1 of NIST SP 800-38G with
	// cycle-walking; the tweak is the range number).
	PANs(r card.Range, key card.KeyRef, sequences []int64, out []card.PAN, store *card.PANs) error

	// Sequence inverts PANs; a number outside the range fails with ErrNotInRange.
	Sequence(r card.Range, key card.KeyRef, pan card.PAN) (int64, error)

	// Token returns the public name of a card: 19 of 0-9 A-Z, key version inside.
	Token(id card.ID, key card.KeyRef) (string, error)

	// OpenToken inverts Token with the key version that the token names; anything else fails with ErrToken.
	OpenToken(token string, label card.KeyLabel) (card.ID, error)

	// Seal encrypts a secret of a few bytes for the database, bound to a purpose: the same secret sealed for another does not open. The key's
	// version stands in front.
	Seal(key card.KeyRef, purpose string, secret []byte) ([]byte, error)

	// OpenSealed inverts Seal with the key version that it names; anything else fails with ErrSealed.
	OpenSealed(label card.KeyLabel, purpose string, sealed []byte) ([]byte, error)

	// KeyVersion resolves a label to its current version and check value.
	KeyVersion(key card.KeyRef) (version int, kcv string, err error)
}

// Entropy is where randomness comes from. Draw fills buf for one object of one purpose: the operating system's source ignores both, a
// seeded one is a keyed function of (seed, purpose, object).
type Entropy interface {
	Draw(purpose string, object uint64, buf []byte) error
}
