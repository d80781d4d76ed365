package store

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Client is a program that may call the API for one institution. Only the SHA-256 of its key is kept.
type Client struct {
	ID          uuid.UUID  `db:"id"`
	Institution uuid.UUID  `db:"institution_id"`
	Name        string     `db:"name"`
	KeySHA256   []byte     `db:"key_sha256"`
	CreatedAt   time.Time  `db:"created_at"`
	RevokedAt   *time.Time `db:"revoked_at"`
}

// InsertClient adds a client; a second one of the same name is ErrConflict.
func (t *Tx) InsertClient(ctx context.Context, c Client) error {
	return t.exec(ctx, "store client "+c.Name, `INSERT INTO api_clients (id, institution_id, name, key_sha256, created_at) VALUES ($1, $2, $3, $4, $5)`,
		c.ID, c.Institution, c.Name, c.KeySHA256, stored(c.CreatedAt))
}

// ClientByKey finds the client whose key has this SHA-256 and was not revoked.
func (q Q) ClientByKey(ctx context.Context, sum []byte) (Client, error) {
	var c Client
	err := q.get(ctx, "client", &c, `SELECT id, institution_id, name, key_sha256, created_at, revoked_at FROM api_clients
		WHERE key_sha256 = $1 AND revoked_at IS NULL`, sum)
	return c, err
}
