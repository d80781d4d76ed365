package batch

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/programs"
	"platen/sql/store"
)

// Lease is how many seconds of database time a claim on a file lasts without renewal.
const Lease = 30

// Plant is everything that batches are made with. All fields are needed; New checks them.
type Plant struct {
	Store      *store.Store
	Module     hsm.Module
	Vault      hsm.Vault
	Entropy    hsm.Entropy
	Ledger     *Ledger
	Now        func() time.Time // business time; leases use the database's
	Spool      string           // directory of sealed ciphertext
	ResolveKey KeySource        // reads the key files that bureaus name
	PINStorage card.KeyLabel
	TokenKey   card.KeyLabel
	SecretsKey card.KeyLabel // seals what bureaus sent
	// LookDistance is the least time between two looks into one outbox, by whichever process: a file counts as complete when two looks saw
	// the same. 0 leaves it to the caller.
	LookDistance time.Duration

	// Instance tells this process from others that work on the same database. InstitutionFiles is how many files of one institution may be built at once, by all
	// processes together; 0 = any number.
	Instance         string
	InstitutionFiles int

	WarnDays int    // warn of a range that lasts for fewer days; 0 = 60
	Stamp    string // TEST, PROD, or what else must stand in every file
	Log      zerolog.Logger
	Wake     func() // something new may be due; jobs looks at once instead of at its next sweep
	Observe  Observer

	catalogue *sync.Map // programKey → decoded object; versions never change
}

// KeySource reads a key file that a bureau's declaration names.
type KeySource func(name string) (card.Secret, error)

// Observer counts what happened, for metrics. Each method must be cheap.
type Observer interface {
	CardsMinted(n int)
	FileMoved(to card.FileState)
	Delivered(bureau string, ok bool)
	ReturnLine(outcome store.Outcome)
}

// New checks that a plant has all its parts.
func New(p Plant) (*Plant, error) {
	switch {
	case p.Store == nil, p.Module == nil, p.Vault == nil, p.Entropy == nil, p.Ledger == nil, p.Now == nil, p.ResolveKey == nil:
		return nil, errors.New("a plant needs store, module, vault, entropy, ledger, clock and key source")
	case p.Spool == "":
		return nil, errors.New("a plant needs a spool directory")
	case p.PINStorage == "" || p.TokenKey == "" || p.SecretsKey == "":
		return nil, errors.New("a plant needs the labels of its PIN-storage, token and secrets keys")
	case p.Stamp == "":
		return nil, errors.New("a plant needs the stamp that its files carry")
	}
	if p.WarnDays == 0 {
		p.WarnDays = defaultWarnDays
	}
	if p.Wake == nil {
		p.Wake = func() {}
	}
	if p.Observe == nil {
		p.Observe = silent{}
	}
	p.catalogue = new(sync.Map)
	return &p, nil
}

type silent struct{}

func (silent) CardsMinted(int)          {}
func (silent) FileMoved(card.FileState) {}
func (silent) Delivered(string, bool)   {}
func (silent) ReturnLine(store.Outcome) {}

// newID makes a UUID version 7 from the plant's clock and randomness (RFC 9562 section 5.7). With a seeded source it depends on purpose
// and number alone.
func (p *Plant) newID(purpose string, number int64) (uuid.UUID, error) {
	var id uuid.UUID
	if err := p.Entropy.Draw("id "+purpose, uint64(number), id[6:]); err != nil {
		return id, fmt.Errorf("make an id: %w", err)
	}
	ms := uint64(p.Now().UnixMilli())
	var clock [8]byte
	binary.BigEndian.PutUint64(clock[:], ms<<16)
	copy(id[:6], clock[:6])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id, nil
}

// NewID is the id of an object that its institution names: purpose says what it is, parts whose and which.
func (p *Plant) NewID(purpose string, parts ...string) (uuid.UUID, error) {
	return p.newID(purpose, draw(parts...))
}

// draw makes a number for an object that has none yet, from what names it.
func draw(parts ...string) int64 {
	h := sha256.New()
	for _, s := range parts {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil)) >> 1)
}

type programKey struct {
	number  int64
	version int
}

// declared reads and decodes one version of a declared object, once.
func declared[T any](ctx context.Context, p *Plant, q store.Q, institution uuid.UUID, number int64, version int, decode func(store.Program) (T, error)) (T, error) {
	key := programKey{number, version}
	if known, ok := p.catalogue.Load(key); ok {
		if v, ok := known.(T); ok {
			return v, nil
		}
	}
	var none T
	row, err := q.Program(ctx, institution, number, version)
	if err != nil {
		return none, err
	}
	v, err := decode(row)
	if err != nil {
		return none, fmt.Errorf("%s %s version %d: %w", row.Kind, row.Code, row.Version, err)
	}
	p.catalogue.Store(key, v)
	return v, nil
}

func decodeJSON[T any](row store.Program) (*T, error) {
	v := new(T)
	if err := json.Unmarshal([]byte(row.Body), v); err != nil {
		return nil, fmt.Errorf("stored declaration: %w", err)
	}
	return v, nil
}

func decodeLayout(row store.Program) (*formats.Layout, error) {
	return formats.Load(row.Code, []byte(row.Body))
}

func (p *Plant) product(ctx context.Context, q store.Q, institution uuid.UUID, number int64, version int) (*card.Product, error) {
	return declared(ctx, p, q, institution, number, version, decodeJSON[card.Product])
}

func (p *Plant) bureau(ctx context.Context, q store.Q, institution uuid.UUID, number int64, version int) (*programs.Bureau, error) {
	return declared(ctx, p, q, institution, number, version, decodeJSON[programs.Bureau])
}

func (p *Plant) layout(ctx context.Context, q store.Q, institution uuid.UUID, number int64, version int) (*formats.Layout, error) {
	return declared(ctx, p, q, institution, number, version, decodeLayout)
}

// entry is the current version of a declared object.
type entry[T any] struct {
	number  int64
	version int
	code    string
	value   T
}

// current reads every declared object of one kind, by code.
func current[T any](ctx context.Context, p *Plant, q store.Q, institution uuid.UUID, kind store.ProgramKind, decode func(store.Program) (T, error)) (map[string]entry[T], error) {
	rows, err := q.Programs(ctx, institution, kind)
	if err != nil {
		return nil, err
	}
	all := make(map[string]entry[T], len(rows))
	for _, row := range rows {
		v, err := declared(ctx, p, q, institution, row.Number, row.Version, decode)
		if err != nil {
			return nil, err
		}
		all[row.Code] = entry[T]{number: row.Number, version: row.Version, code: row.Code, value: v}
	}
	return all, nil
}

// zone is the institution's timezone: business dates and expiry months are counted there.
func zone(i store.Institution) (*time.Location, error) {
	loc, err := time.LoadLocation(i.Timezone)
	if err != nil {
		return nil, fmt.Errorf("institution %s: timezone %q is not known here", i.Code, i.Timezone)
	}
	return loc, nil
}

// businessDay reads a business date as the first instant of that day in UTC.
func businessDay(date string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return t, fmt.Errorf("business date: %w", err)
	}
	return t, nil
}

func checksum(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// sortedEntries lists entries by code, so that nothing depends on map order.
func sortedEntries[T any](all map[string]entry[T]) []entry[T] {
	list := make([]entry[T], 0, len(all))
	for _, e := range all {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b entry[T]) int { return strings.Compare(a.code, b.code) })
	return list
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }
