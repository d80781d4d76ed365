package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"platen/sql/store"
)

func TestPartsOfAReturnComeBackAsTheyWereStored(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		var r store.ReturnFile
		in(t, s, func(ctx context.Context, tx *store.Tx) (err error) {
			r, err = tx.InsertReturn(ctx, store.ReturnFile{ID: uuid.New(), Institution: i.ID, Bureau: 1, BureauCode: "b", Name: "x.ack", CreatedAt: noon})
			if err != nil {
				return err
			}
			return tx.StoreReturn(ctx, r.Number, []byte{7}, 5, []store.ReturnChunk{{Bytes: 3, Data: []byte("abc")}, {Bytes: 2, Data: []byte("de")}})
		})
		var got string
		for n := 0; ; n++ {
			c, ok, err := s.ReturnChunk(t.Context(), r.Number, n)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			got += fmt.Sprintf("%s:%d ", c.Data, c.Bytes)
		}
		if got != "abc:3 de:2 " {
			t.Errorf("got %q", got)
		}
		err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.InsertReturn(ctx, store.ReturnFile{ID: uuid.New(), Institution: i.ID, Bureau: 1, BureauCode: "b", Name: "x.ack", CreatedAt: noon})
			return err
		})
		if !errors.Is(err, store.ErrConflict) {
			t.Errorf("a name that is pending was detected twice: %v", err)
		}
	})
}

func TestOfTwoFilesWithOneContentTheSecondSeesTheFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		i := institution(t, s, "bank")
		const files = 8
		numbers, seen := make([]int64, files), make([]bool, files)
		in(t, s, func(ctx context.Context, tx *store.Tx) error {
			for n := range files {
				r, err := tx.InsertReturn(ctx, store.ReturnFile{ID: uuid.New(), Institution: i.ID, Bureau: 1, BureauCode: "b", Name: fmt.Sprint(n), CreatedAt: noon})
				if err != nil {
					return err
				}
				numbers[n] = r.Number
			}
			return nil
		})
		var g errgroup.Group
		ready := make(chan struct{})
		for n := range files {
			g.Go(func() error {
				<-ready
				return s.InTx(t.Context(), func(tx *store.Tx) (err error) {
					if _, seen[n], err = tx.SameReturn(t.Context(), 1, []byte{7}, numbers[n]); err != nil {
						return err
					}
					return tx.StoreReturn(t.Context(), numbers[n], []byte{7}, 1, []store.ReturnChunk{{Bytes: 1, Data: []byte("x")}})
				})
			})
		}
		close(ready)
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if first := slices.DeleteFunc(seen, func(s bool) bool { return s }); len(first) != 1 {
			t.Errorf("%d of %d files are the first of their content", len(first), files)
		}
	})
}
