package store

import "context"

// Sidecar is a file that goes along with another. Its bytes are made when they are sent.
type Sidecar struct {
	File          int64  `db:"file_number"`
	Sidecar       int    `db:"sidecar"` // 1 is the first
	Layout        int64  `db:"layout_number"`
	LayoutVersion int    `db:"layout_version"`
	Name          string `db:"name"`
}

// InsertSidecar stores what goes along with a planned file.
func (t *Tx) InsertSidecar(ctx context.Context, s Sidecar) error {
	return t.exec(ctx, "store sidecar", `INSERT INTO file_sidecars (file_number, sidecar, layout_number, layout_version, name) VALUES ($1, $2, $3, $4, $5)`,
		s.File, s.Sidecar, s.Layout, s.LayoutVersion, s.Name)
}

// Sidecars lists what goes along with a file, in order.
func (q Q) Sidecars(ctx context.Context, file int64) ([]Sidecar, error) {
	var all []Sidecar
	err := q.list(ctx, "sidecars", &all, `SELECT file_number, sidecar, layout_number, layout_version, name FROM file_sidecars WHERE file_number = $1 ORDER BY sidecar`, file)
	return all, err
}
