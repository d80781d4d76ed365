package api

import (
	"context"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/sql/store"
)

const (
	filesPath = "/v1/files"
	filesList = "files"
)

// File is a personalization or PIN-mailer file.
type File struct {
	ID               string            `json:"id" format:"uuid"`
	Number           int64             `json:"number" doc:"Its lines carry it"`
	Name             string            `json:"name"`
	Purpose          string            `json:"purpose" enum:"CARD,PIN_MAILER"`
	Bureau           string            `json:"bureau"`
	Sequence         int64             `json:"sequence" doc:"Counts the bureau's files"`
	Batch            int64             `json:"batch"`
	BusinessDate     string            `json:"business_date" format:"date"`
	Stamp            string            `json:"stamp"`
	State            string            `json:"state"`
	Reason           string            `json:"reason,omitempty" doc:"Why it waits, or what went wrong last"`
	Overdue          string            `json:"overdue,omitempty" enum:"ack,production,dispatch,delivery" doc:"The answer that its bureau owes beyond its time"`
	OverdueSince     *time.Time        `json:"overdue_since,omitempty"`
	Counts           FileCounts        `json:"counts"`
	PlaintextSHA256  string            `json:"plaintext_sha256,omitempty"`
	CiphertextSHA256 string            `json:"ciphertext_sha256,omitempty"`
	CiphertextBytes  *int64            `json:"ciphertext_bytes,omitempty"`
	InClear          bool              `json:"in_clear" doc:"It goes to its bureau unencrypted and unsigned"`
	CreatedAt        time.Time         `json:"created_at"`
	SealedAt         *time.Time        `json:"sealed_at,omitempty"`
	SentAt           *time.Time        `json:"sent_at,omitempty"`
	AcknowledgedAt   *time.Time        `json:"acknowledged_at,omitempty"`
	BalancedAt       *time.Time        `json:"balanced_at,omitempty"`
	Layout           *FileLayout       `json:"layout,omitempty" doc:"Where one file is asked for"`
	Links            map[string]string `json:"links"`
}

// FileLayout is the layout that made a file.
type FileLayout struct {
	Name    string `json:"name"`
	Version string `json:"version" doc:"As its YAML says it"`
	SHA256  string `json:"sha256" doc:"Of the YAML"`
}

// FileCounts are a file's lines as counted in different places.
type FileCounts struct {
	Planned      int64  `json:"planned"`
	Minted       int64  `json:"minted"`
	Sealed       *int64 `json:"sealed,omitempty" doc:"Read back before it was sent"`
	Acknowledged *int64 `json:"acknowledged,omitempty" doc:"The bureau's own count"`
	Produced     int64  `json:"produced"`
	Rejected     int64  `json:"rejected"`
	Spoiled      int64  `json:"spoiled"`
}

func showFile(f store.File) File {
	return File{
		ID: f.ID.String(), Number: f.Number, Name: f.Name, Purpose: f.Purpose.String(), Bureau: f.BureauCode, Sequence: f.Sequence, Batch: f.Batch,
		BusinessDate: f.BusinessDate, Stamp: f.Stamp, State: f.State.String(), Reason: f.Reason, Overdue: f.Overdue, OverdueSince: inUTC(f.OverdueSince),
		Counts: FileCounts{Planned: f.Planned, Minted: f.Minted, Sealed: f.Sealed, Acknowledged: f.AckRead, Produced: f.Produced, Rejected: f.Rejected,
			Spoiled: f.Spoiled},
		PlaintextSHA256: hex.EncodeToString(f.PlaintextSHA), CiphertextSHA256: hex.EncodeToString(f.CiphertextSHA), CiphertextBytes: f.CiphertextBytes, InClear: f.InClear(),
		CreatedAt: f.CreatedAt.UTC(), SealedAt: inUTC(f.SealedAt), SentAt: inUTC(f.SentAt), AcknowledgedAt: inUTC(f.AcknowledgedAt), BalancedAt: inUTC(f.BalancedAt),
		Links: map[string]string{"self": filesPath + "/" + f.ID.String(), "batch": batchesPath + "/" + strconv.FormatInt(f.Batch, 10), "lines": filesPath + "/" + f.ID.String() + "/lines"},
	}
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// ObjectInput names an object by its id or number.
type ObjectInput struct {
	ID string `path:"id" maxLength:"36" doc:"Its id or its number"`
}

func (s *service) routeFiles(api huma.API) {
	read(s, api, operation("list-files", filesPath, "files", "Files, newest first"), s.listFiles)
	read(s, api, operation("get-file", filesPath+"/{id}", "files", "One file"), s.getFile)
	read(s, api, operation("list-file-lines", filesPath+"/{id}/lines", "files", "Lines of a file with their cards, by line"), s.listFileLines)
}

func (s *service) listFiles(ctx context.Context, c caller, in *PageInput) (Page[File], error) {
	before, err := in.position(filesList)
	if err != nil {
		return Page[File]{}, err
	}
	rows, err := s.Plant.Store.Files(ctx, c.institution.ID, before, in.Limit+1)
	if err == nil {
		err = s.Plant.TellWaits(ctx, c.institution.ID, rows)
	}
	return pageOf(*in, filesList, rows, func(f store.File) int64 { return f.Number }, showFile), err
}

func (s *service) getFile(ctx context.Context, c caller, in *ObjectInput) (File, error) {
	f, err := s.findFile(ctx, c, in.ID)
	if err != nil {
		return File{}, err
	}
	layout, err := s.Plant.LayoutOf(ctx, f)
	if err != nil {
		return File{}, err
	}
	shown := []store.File{f}
	if err := s.Plant.TellWaits(ctx, c.institution.ID, shown); err != nil {
		return File{}, err
	}
	v := showFile(shown[0])
	v.Layout = &FileLayout{Name: layout.Name(), Version: layout.Version(), SHA256: layout.Checksum()}
	return v, nil
}

func (s *service) findFile(ctx context.Context, c caller, name string) (store.File, error) {
	if n, ok := parseNumber(name); ok {
		f, err := s.Plant.Store.FileByNumber(ctx, n)
		if err == nil && f.Institution != c.institution.ID {
			err = store.ErrNotFound
		}
		return f, err
	}
	id, err := parseID(name)
	if err != nil {
		return store.File{}, err
	}
	return s.Plant.Store.File(ctx, c.institution.ID, id)
}

func parseNumber(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n > 0
}
