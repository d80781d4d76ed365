package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/sql/store"
)

// errNoLayoutKeys says that a file does not pin the keys that its layout names.
var errNoLayoutKeys = errors.New("the file pins other keys than its layout names")

// errOtherSize says that a value is longer than all of its place are.
var errOtherSize = errors.New("a value to be enciphered has another length than its layout says")

// encipher lets the security module encipher what the layout says, each place of all rows in one call, so that no card costs a call of its own. The
// same rows and keys give the same bytes. Records that are only looked at need none of it.
func (j *job) encipher(ctx context.Context, d *desk, rows []store.PrintRow, put func(*formats.Record, int)) ([]card.Secrets, error) {
	ciphers := j.layout.Ciphers()
	if len(ciphers) == 0 || j.take != nil {
		return nil, nil
	}
	if d.sealed == nil {
		for _, c := range ciphers {
			d.sealed = append(d.sealed, card.NewSecrets(renderChunk, sizeOf(c)))
		}
	}
	record := j.head()
	defer record.Reset()
	var data []byte
	defer func() { clear(data) }()
	for i := range rows {
		putRow(record, &j.file, &rows[i])
		put(record, i)
		for n := range ciphers {
			var err error
			if data, err = j.layout.AppendData(data[:0], n, record); err != nil {
				return d.sealed, fmt.Errorf("file %d line %d: %w", j.file.Number, rows[i].Position, err)
			}
			if len(data) > d.sealed[n].Width() {
				return d.sealed, fmt.Errorf("file %d line %d: %w", j.file.Number, rows[i].Position, errOtherSize)
			}
			d.sealed[n].Set(i, data)
		}
	}
	for n, c := range ciphers {
		key, err := j.zek(c.Key)
		if err == nil {
			err = j.Module.EncryptData(ctx, key, c.Mode, d.sealed[n], d.sealed[n])
		}
		if err != nil {
			return d.sealed, fmt.Errorf("file %d lines from %d: %w", j.file.Number, rows[0].Position, err)
		}
	}
	return d.sealed, nil
}

func sizeOf(c formats.Cipher) int {
	if c.Size > 0 {
		return c.Size
	}
	return hsm.MaxData
}

// zek is the version of a layout's key that the file pins.
func (j *job) zek(label card.KeyLabel) (card.KeyRef, error) {
	at := slices.IndexFunc(j.zeks, func(r card.KeyRef) bool { return r.Label == label })
	if at < 0 {
		return card.KeyRef{}, fmt.Errorf("key %s: %w", label, errNoLayoutKeys)
	}
	return j.zeks[at], nil
}

func wipeAll(all []card.Secrets) {
	for _, s := range all {
		s.Wipe()
	}
}

// sealedSample is what the records of a sample have enciphered, by place.
type sealedSample [][]card.Secret

// keepEnciphered keeps what a record that was read back has enciphered.
func (j *job) keepEnciphered(rec *formats.Record) ([]card.Secret, error) {
	ciphers := j.layout.Ciphers()
	out := make([]card.Secret, len(ciphers))
	for n := range ciphers {
		data, err := j.layout.Enciphered(n, rec)
		if err != nil {
			return nil, err
		}
		out[n] = card.NewSecret(data)
	}
	return out, nil
}

// decipher opens what records of a sample have enciphered, and hands each a record with the values that come out.
func (j *job) decipher(ctx context.Context, sample sealedSample, show func(i int, rec *formats.Record) error) error {
	ciphers := j.layout.Ciphers()
	if len(ciphers) == 0 || len(sample) == 0 {
		return nil
	}
	opened := make([]card.Secrets, len(ciphers))
	defer wipeAll(opened)
	for n, c := range ciphers {
		opened[n] = card.NewSecrets(len(sample), sizeOf(c))
		for i := range sample {
			if len(sample[i][n].Reveal()) > opened[n].Width() {
				return hsm.ErrSealed
			}
			opened[n].Set(i, sample[i][n].Reveal())
		}
		key, err := j.zek(c.Key)
		if err == nil {
			err = j.Module.DecryptData(ctx, key, c.Mode, opened[n], opened[n])
		}
		if err != nil {
			return fmt.Errorf("open what place %d of the records has enciphered: %w", n+1, err)
		}
	}
	var rec formats.Record
	defer rec.Reset()
	for i := range sample {
		rec.Reset()
		for n := range ciphers {
			if err := j.layout.TakeData(&rec, n, opened[n].Reveal(i)); err != nil {
				return err
			}
		}
		if err := show(i, &rec); err != nil {
			return err
		}
	}
	return nil
}
