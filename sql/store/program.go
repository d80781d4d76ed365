package store

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Institution is the issuer that everything else belongs to.
type Institution struct {
	ID       uuid.UUID `db:"id"`
	Code     string    `db:"code"`
	Name     string    `db:"name"`
	Timezone string    `db:"timezone"`
}

// ProgramKind says what a declared object is.
type ProgramKind string

// The kinds of declared objects.
const (
	ProductProgram  ProgramKind = "product"
	BureauProgram   ProgramKind = "bureau"
	LayoutProgram   ProgramKind = "layout"
	ScheduleProgram ProgramKind = "schedule"
	MappingProgram  ProgramKind = "mapping"
	ZoneProgram     ProgramKind = "zone"

	InstitutionProgram ProgramKind = "institution" // one, of the institution's own code
)

// Program is one version of a declared object.
type Program struct {
	Number   int64       `db:"number"`
	Kind     ProgramKind `db:"kind"`
	Code     string      `db:"code"`
	Version  int         `db:"version"`
	Body     string      `db:"body"`
	Checksum string      `db:"checksum"`
}

// PutInstitution inserts an institution or changes its name and timezone, and returns it as stored.
func (t *Tx) PutInstitution(ctx context.Context, i Institution) (Institution, error) {
	err := t.get(ctx, "store institution "+i.Code, &i, `INSERT INTO institutions (id, code, name, timezone) VALUES ($1, $2, $3, $4)
		ON CONFLICT (code) DO UPDATE SET name = excluded.name, timezone = excluded.timezone RETURNING id, code, name, timezone`,
		i.ID, i.Code, i.Name, i.Timezone)
	return i, err
}

// LockInstitution makes transactions of one institution that plan or apply run one after another.
func (t *Tx) LockInstitution(ctx context.Context, id uuid.UUID) error {
	var got uuid.UUID
	return t.get(ctx, "lock institution", &got, `SELECT id FROM institutions WHERE id = $1`+t.forUpdate(), id)
}

// Institution finds one by code.
func (q Q) Institution(ctx context.Context, code string) (Institution, error) {
	var i Institution
	err := q.get(ctx, "institution "+code, &i, `SELECT id, code, name, timezone FROM institutions WHERE code = $1`, code)
	return i, err
}

// InstitutionByID finds one by its id.
func (q Q) InstitutionByID(ctx context.Context, id uuid.UUID) (Institution, error) {
	var i Institution
	err := q.get(ctx, "institution", &i, `SELECT id, code, name, timezone FROM institutions WHERE id = $1`, id)
	return i, err
}

// Institutions lists all of them by code.
func (q Q) Institutions(ctx context.Context) ([]Institution, error) {
	var all []Institution
	err := q.list(ctx, "institutions", &all, `SELECT id, code, name, timezone FROM institutions ORDER BY code`)
	return all, err
}

// Programs lists the current version of every declared object of one kind, by code.
func (q Q) Programs(ctx context.Context, institution uuid.UUID, kind ProgramKind) ([]Program, error) {
	var all []Program
	err := q.list(ctx, string(kind)+"s", &all, `SELECT p.number, p.kind, p.code, v.version, v.body, v.checksum FROM programs p
		JOIN program_versions v ON v.program_number = p.number AND v.version = p.version
		WHERE p.institution_id = $1 AND p.kind = $2 ORDER BY p.code`, institution, kind)
	return all, err
}

// Program reads one version of a declared object by number.
func (q Q) Program(ctx context.Context, institution uuid.UUID, number int64, version int) (Program, error) {
	var p Program
	err := q.get(ctx, "declared object", &p, `SELECT p.number, p.kind, p.code, v.version, v.body, v.checksum FROM programs p
		JOIN program_versions v ON v.program_number = p.number
		WHERE p.institution_id = $1 AND p.number = $2 AND v.version = $3`, institution, number, version)
	return p, err
}

// PutProgram stores a declared object's next version, unless the current one has the same checksum. It tells whether anything changed.
func (t *Tx) PutProgram(ctx context.Context, institution uuid.UUID, p Program, now time.Time) (bool, error) {
	what := "store " + string(p.Kind) + " " + p.Code
	var current []Program
	err := t.list(ctx, what, &current, `SELECT p.number, p.kind, p.code, v.version, v.body, v.checksum FROM programs p
		JOIN program_versions v ON v.program_number = p.number AND v.version = p.version
		WHERE p.institution_id = $1 AND p.kind = $2 AND p.code = $3`, institution, p.Kind, p.Code)
	if err != nil {
		return false, err
	}
	switch {
	case len(current) == 0:
		if p.Number, err = t.Next(ctx, "program"); err != nil {
			return false, err
		}
		p.Version = 1
		err = t.exec(ctx, what, `INSERT INTO programs (number, institution_id, kind, code, version) VALUES ($1, $2, $3, $4, 1)`,
			p.Number, institution, p.Kind, p.Code)
	case current[0].Checksum == p.Checksum:
		return false, nil
	default:
		p.Number, p.Version = current[0].Number, current[0].Version+1
		err = t.exec(ctx, what, `UPDATE programs SET version = $1 WHERE institution_id = $2 AND number = $3`, p.Version, institution, p.Number)
	}
	if err != nil {
		return false, err
	}
	return true, t.exec(ctx, what, `INSERT INTO program_versions (program_number, version, body, checksum, applied_at) VALUES ($1, $2, $3, $4, $5)`,
		p.Number, p.Version, p.Body, p.Checksum, stored(now))
}
