package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// The ways in which a client proves who it is.
const (
	BearerClient  = "bearer"   // a key of which the SHA-256 is kept
	SecretClient  = "secret"   // a secret of both sides, sealed by the vault
	KeyPairClient = "key-pair" // a key pair of which the public half is kept
)

// Client is a program that may call the API for one institution.
type Client struct {
	ID          uuid.UUID  `db:"id"`
	Institution uuid.UUID  `db:"institution_id"`
	Name        string     `db:"name"`
	Roles       string     `db:"roles"` // names with commas between
	Method      string     `db:"method"`
	KeySHA256   []byte     `db:"key_sha256"`
	Secret      []byte     `db:"secret"`     // sealed
	PublicKey   []byte     `db:"public_key"` // SubjectPublicKeyInfo
	Rate        int        `db:"rate"`       // requests a second; 0 = the default
	CreatedAt   time.Time  `db:"created_at"`
	RevokedAt   *time.Time `db:"revoked_at"`
}

const clientColumns = `id, institution_id, name, roles, method, key_sha256, secret, public_key, rate, created_at, revoked_at`

// InsertClient adds a client; a second one of the same name is ErrConflict.
func (t *Tx) InsertClient(ctx context.Context, c Client) error {
	return t.exec(ctx, "store client "+c.Name, `INSERT INTO api_clients (id, institution_id, name, roles, method, key_sha256, secret, public_key, rate, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, c.ID, c.Institution, c.Name, c.Roles, c.Method, nullBytes(c.KeySHA256), nullBytes(c.Secret),
		nullBytes(c.PublicKey), c.Rate, stored(c.CreatedAt))
}

// ClientByKey finds the client whose bearer key has this SHA-256 and was not revoked.
func (q Q) ClientByKey(ctx context.Context, sum []byte) (Client, error) {
	var c Client
	err := q.get(ctx, "client", &c, `SELECT `+clientColumns+` FROM api_clients WHERE key_sha256 = $1 AND revoked_at IS NULL`, sum)
	return c, err
}

// ClientByID finds a client that was not revoked.
func (q Q) ClientByID(ctx context.Context, id uuid.UUID) (Client, error) {
	var c Client
	err := q.get(ctx, "client", &c, `SELECT `+clientColumns+` FROM api_clients WHERE id = $1 AND revoked_at IS NULL`, id)
	return c, err
}

// Clients lists an institution's clients by name, revoked ones among them.
func (q Q) Clients(ctx context.Context, institution uuid.UUID) ([]Client, error) {
	var all []Client
	err := q.list(ctx, "clients", &all, `SELECT `+clientColumns+` FROM api_clients WHERE institution_id = $1 ORDER BY name`, institution)
	return all, err
}

// RevokeClient ends a client's access; ErrNotFound when there is none of the name, or it is revoked already.
func (t *Tx) RevokeClient(ctx context.Context, institution uuid.UUID, name string, now time.Time) error {
	err := t.execOne(ctx, "revoke client "+name, `UPDATE api_clients SET revoked_at = $1 WHERE institution_id = $2 AND name = $3 AND revoked_at IS NULL`,
		stored(now), institution, name)
	if errors.Is(err, ErrStale) {
		return ErrNotFound
	}
	return err
}

// UseRequestID notes the id of a signed request; ErrConflict when the client has used it before.
func (t *Tx) UseRequestID(ctx context.Context, client uuid.UUID, request string, now time.Time) error {
	return t.exec(ctx, "note a request's id", `INSERT INTO api_requests (client_id, request_id, seen_at) VALUES ($1, $2, $3)`, client, request, stored(now))
}

// nullBytes is NULL for nothing: an empty value is one too.
func nullBytes(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}
