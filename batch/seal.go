package batch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"platen/card"
	"platen/sql/store"
)

// seal renders a minted file into the spool, reads the plaintext back as it passes and checks every record, hashes the ciphertext again from disk, and only
// then makes the file immutable, in one transaction with its event.
func (j *job) seal(ctx context.Context) error {
	counts, err := j.Store.RecountLines(ctx, j.file)
	if err != nil {
		return err
	}
	if counts.Lines != j.file.Planned {
		return fmt.Errorf("file %d: %d lines were minted, %d planned", j.file.Number, counts.Lines, j.file.Planned)
	}
	made, err := j.makeSpool(ctx)
	if err != nil {
		return fmt.Errorf("seal file %d: %w", j.file.Number, err)
	}
	if made.records != j.file.Planned {
		return fmt.Errorf("seal file %d: %d records were read back, %d planned", j.file.Number, made.records, j.file.Planned)
	}
	if j.file.PlaintextSHA != nil && !bytes.Equal(j.file.PlaintextSHA, made.plaintext) {
		return fmt.Errorf("file %d rendered to other bytes than it was sealed with", j.file.Number)
	}
	j.file.Sealed, j.file.PlaintextSHA, j.file.PlaintextBytes = &made.records, made.plaintext, &made.plaintextBytes
	j.file.CiphertextSHA, j.file.CiphertextBytes, j.file.Spool = made.ciphertext, &made.ciphertextBytes, made.name
	return j.move(ctx, card.FileSealed, "", func(tx *store.Tx) error { return tx.SealFile(ctx, &j.file, j.Now()) })
}

// spooled is what making a spool file proved.
type spooled struct {
	name            string
	records         int64
	plaintext       []byte
	plaintextBytes  int64
	ciphertext      []byte
	ciphertextBytes int64
}

// makeSpool renders, verifies and encrypts in one pass. The plaintext exists only in memory, a few chunks at a time.
func (j *job) makeSpool(ctx context.Context) (spooled, error) {
	file, encrypted, name, err := j.deposit()
	if err != nil {
		return spooled{}, err
	}
	defer file.discard()
	plain := &tally{hash: sha256.New()}
	pipeOut, pipeIn := io.Pipe()
	out := spooled{name: name}
	// Every chunk has its place, so that whoever renders never waits for whoever reads back but at the pipe.
	shown := make(chan []store.PrintRow, j.file.Planned/renderChunk+1)
	show := func(rows []store.PrintRow) {
		if j.sidecar == 0 { // of a sidecar no card is checked
			shown <- rows
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		n, err := j.verify(gctx, pipeOut, rendered(shown))
		out.records = n
		return errors.Join(err, pipeOut.CloseWithError(err))
	})
	g.Go(func() (err error) {
		defer func() { err = errors.Join(err, pipeIn.CloseWithError(err)) }()
		if err := j.renderShowing(gctx, io.MultiWriter(plain, encrypted, pipeIn), show); err != nil {
			return err
		}
		return encrypted.Close()
	})
	if err := g.Wait(); err != nil {
		return out, err
	}
	out.plaintext, out.plaintextBytes = plain.hash.Sum(nil), plain.n
	out.ciphertext, out.ciphertextBytes, err = file.finish()
	return out, err
}

// Replay renders a sealed file again from the database and compares the plaintext's hash with the one it was sealed with. A nil w only compares.
func (p *Plant) Replay(ctx context.Context, number int64, w io.Writer) (same bool, sum []byte, err error) {
	j, err := p.openJob(ctx, number, 0)
	if err != nil {
		return false, nil, err
	}
	if err := j.mayReplay(); err != nil {
		return false, nil, err
	}
	plain := &tally{hash: sha256.New()}
	var to io.Writer = plain
	if w != nil {
		to = io.MultiWriter(plain, w)
	}
	if err := j.render(ctx, to); err != nil {
		return false, nil, fmt.Errorf("replay file %d: %w", number, err)
	}
	sum = plain.hash.Sum(nil)
	return bytes.Equal(sum, j.file.PlaintextSHA), sum, nil
}
