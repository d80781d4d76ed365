package batch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"platen/sql/store"
)

// A bureau that says plaintext: true gets its files as they are. Card data in clear never lies in the spool: such a file is rendered, verified and forgotten when it
// is sealed, and rendered again while it is sent, which gives the same bytes.

// depository is where the bytes that go to a bureau are kept between sealing and sending.
type depository interface {
	io.Writer
	finish() (sum []byte, size int64, err error)
	discard()
}

// nowhere keeps nothing but hash and size.
type nowhere struct{ tally }

func (n *nowhere) finish() ([]byte, int64, error) { return n.hash.Sum(nil), n.n, nil }
func (n *nowhere) discard()                       {}

// deposit begins a spool file and the encryption into it; for a bureau without a key it begins neither.
func (j *job) deposit() (depository, io.WriteCloser, string, error) {
	if j.bureau.PGP.Plaintext {
		j.Log.Warn().Int64("file", j.file.Number).Str("bureau", j.file.BureauCode).Msg("PLAINTEXT: this file goes to its bureau unencrypted and unsigned")
		to := &nowhere{tally{hash: sha256.New()}}
		return to, openEnd{to}, "", nil
	}
	sealer, err := j.sealer()
	if err != nil {
		return nil, nil, "", err
	}
	file, err := createSpool(j.Spool, j.spoolID(), j.file.Epoch)
	if err != nil {
		return nil, nil, "", err
	}
	encrypted, err := sealer.Seal(file)
	if err != nil {
		file.discard()
		return nil, nil, "", err
	}
	return file, encrypted, file.name, nil
}

// spoolID names a file in the spool, and each of its sidecars.
func (j *job) spoolID() string {
	if j.sidecar == 0 {
		return j.file.ID.String()
	}
	return fmt.Sprintf("%s-sidecar%d", j.file.ID, j.sidecar)
}

// openEnd is a writer whose end needs nothing.
type openEnd struct{ io.Writer }

// Close implements io.Closer.
func (openEnd) Close() error { return nil }

// inClear makes a sealed file one that is sent in clear, where the bureau's declaration has come to say so.
func (j *job) inClear(ctx context.Context) error {
	if j.file.Spool == "" && bytes.Equal(j.file.CiphertextSHA, j.file.PlaintextSHA) {
		return nil
	}
	j.file.CiphertextSHA, j.file.CiphertextBytes, j.file.Spool = j.file.PlaintextSHA, j.file.PlaintextBytes, ""
	return j.Store.InTx(ctx, func(tx *store.Tx) error { return tx.Respool(ctx, &j.file) })
}

// rendering is a file's plaintext, made while it is read.
type rendering struct {
	*io.PipeReader
	stop context.CancelFunc
	done chan struct{}
}

func (j *job) rendered(ctx context.Context) io.ReadCloser {
	ctx, stop := context.WithCancel(ctx)
	out, in := io.Pipe()
	r := &rendering{PipeReader: out, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		_ = in.CloseWithError(j.render(ctx, in)) // a pipe's writer always closes; the reader gets the error
	}()
	return r
}

// Close ends the rendering, wherever it stands, and waits until it has.
func (r *rendering) Close() error {
	r.stop()
	err := r.PipeReader.Close()
	<-r.done
	return err
}
