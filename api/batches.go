package api

import (
	"context"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/sql/store"
)

const (
	batchesPath = "/v1/batches"
	batchesList = "batches"
)

// Batch is one run of one cycle.
type Batch struct {
	ID           string            `json:"id" format:"uuid"`
	Number       int64             `json:"number"`
	Schedule     string            `json:"schedule"`
	BusinessDate string            `json:"business_date" format:"date"`
	State        string            `json:"state"`
	Exceptions   string            `json:"exceptions,omitempty" doc:"What could not be planned"`
	CreatedAt    time.Time         `json:"created_at"`
	Links        map[string]string `json:"links"`
}

// BatchWithFiles is a batch with the files that it planned.
type BatchWithFiles struct {
	Batch
	Files []File `json:"files" nullable:"false"`
}

func showBatch(b store.Batch) Batch {
	return Batch{ID: b.ID.String(), Number: b.Number, Schedule: b.Schedule, BusinessDate: b.BusinessDate, State: b.State.String(), Exceptions: b.Exceptions,
		CreatedAt: b.CreatedAt.UTC(), Links: map[string]string{"self": batchesPath + "/" + strconv.FormatInt(b.Number, 10)}}
}

func (s *service) routeBatches(api huma.API) {
	read(s, api, operation("list-batches", batchesPath, "batches", "Batches, newest first"), s.listBatches)
	read(s, api, operation("get-batch", batchesPath+"/{id}", "batches", "One batch with its files"), s.getBatch)
}

func (s *service) listBatches(ctx context.Context, c caller, in *PageInput) (Page[Batch], error) {
	before, err := in.position(batchesList)
	if err != nil {
		return Page[Batch]{}, err
	}
	rows, err := s.Plant.Store.Batches(ctx, c.institution.ID, before, in.Limit+1)
	return pageOf(*in, batchesList, rows, func(b store.Batch) int64 { return b.Number }, showBatch), err
}

func (s *service) getBatch(ctx context.Context, c caller, in *ObjectInput) (BatchWithFiles, error) {
	b, err := s.findBatch(ctx, c, in.ID)
	if err != nil {
		return BatchWithFiles{}, err
	}
	files, err := s.Plant.Store.FilesOfBatch(ctx, b.Number)
	v := BatchWithFiles{Batch: showBatch(b), Files: make([]File, 0, len(files))}
	for _, f := range files {
		v.Files = append(v.Files, showFile(f))
	}
	return v, err
}

func (s *service) findBatch(ctx context.Context, c caller, name string) (store.Batch, error) {
	if n, ok := parseNumber(name); ok {
		b, err := s.Plant.Store.BatchByNumber(ctx, n)
		if err == nil && b.Institution != c.institution.ID {
			err = store.ErrNotFound
		}
		return b, err
	}
	id, err := parseID(name)
	if err != nil {
		return store.Batch{}, err
	}
	return s.Plant.Store.Batch(ctx, c.institution.ID, id)
}
