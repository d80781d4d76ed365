package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"

	"platen/fault"
)

// sendWithMarker serves a bureau whose server cannot rename. The content is written under its final name and proved there; the bureau takes a
// file only when its marker lies beside it, so that creating the marker is what the rename is elsewhere. The promise is weaker: half a file
// can be seen under the final name, by whoever does not wait for the marker.
func (d *sending) sendWithMarker(ctx context.Context) (Receipt, error) {
	if there, err := d.alreadyMarked(ctx); err != nil || there {
		return d.receipt, err
	}
	if err := d.writeTemp(ctx); err != nil {
		if d.created { // what stood there before is not ours to delete
			d.deleteTemp()
		}
		return Receipt{}, err
	}
	if d.BeforeRename != nil {
		if err := d.BeforeRename(ctx); err != nil {
			d.deleteTemp()
			return Receipt{}, &Error{Op: "prepare the marker", Code: CodeStopped, Err: err}
		}
	}
	err := d.mark(ctx)
	return d.receipt, err
}

func (d *sending) marker() string { return d.final + d.target.Marker }

// alreadyMarked looks at marker and final name: both free, ours already, half of an earlier attempt, or taken.
func (d *sending) alreadyMarked(ctx context.Context) (bool, error) {
	const op = "look at the marker"
	_, err := d.lookAt(ctx, d.marker())
	marked := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, failed(ctx, op, NotDelivered, CodeRefused, err)
	}
	_, err = d.lookAt(ctx, d.final)
	free := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !free:
		return false, failed(ctx, op, NotDelivered, CodeRefused, err)
	case free && marked:
		// A marker without its file would let the bureau take the next one before it is whole.
		if err := d.remove(ctx, d.marker()); err != nil {
			return false, failed(ctx, op, NotDelivered, CodeRefused, err)
		}
		return false, nil
	case free:
		return false, nil
	case marked:
		return d.alreadyThere(ctx)
	case len(d.EarlierTemps) > 0:
		if err := d.remove(ctx, d.final); err != nil {
			return false, failed(ctx, "delete the half of an earlier attempt", NotDelivered, CodeRefused, err)
		}
		return false, nil
	}
	return false, &Error{Op: op, Code: CodeNameTaken, Err: ErrNameTaken}
}

// mark creates the marker. A refused one is proved not to be there by deleting the file that it would have stood for.
func (d *sending) mark(ctx context.Context) error {
	const op = "write the marker"
	fault.Point("upload: before the marker")
	f, err := d.sftp.OpenFile(d.marker(), os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err == nil {
		err = f.Close()
	}
	fault.Point("upload: marked")
	if err != nil && !answered(err) {
		return failed(ctx, op, InDoubt, CodeConnectionLost, err)
	}
	_, seen := d.lookAt(ctx, d.marker())
	switch {
	case seen == nil && err == nil:
		d.receipt.RemoteSize, d.receipt.Evidence = d.Size, "written whole, marker beside it"
		return nil
	case errors.Is(seen, fs.ErrNotExist) && err == nil && d.target.TakesAtOnce:
		d.receipt.RemoteSize, d.receipt.Evidence = d.Size, "marked, taken by the bureau at once"
		return nil
	case errors.Is(seen, fs.ErrNotExist):
		gone := d.remove(ctx, d.final)
		if gone == nil {
			return &Error{Op: op, Code: CodeRenameRefused, Err: err}
		}
		return failed(ctx, op, InDoubt, CodeVanished, gone)
	}
	return failed(ctx, op, InDoubt, CodeRenameRefused, errors.Join(err, seen))
}

// probeMarked is Probe where a marker file stands for the rename: without its marker the file is deleted, so that nothing can change any more.
func (s *Session) probeMarked(ctx context.Context, finalName string, sizes []int64, temps []string) (ProbeResult, error) {
	const op = "probe"
	final := path.Join(s.target.In, finalName)
	var result ProbeResult
	switch _, err := s.lookAt(ctx, final+s.target.Marker); {
	case err == nil:
		err := s.probeFinal(ctx, finalName, sizes, &result)
		return result, err
	case !errors.Is(err, fs.ErrNotExist):
		return result, failed(ctx, op, InDoubt, CodeRefused, err)
	}
	switch err := s.remove(ctx, final); {
	case err == nil:
		result.Deleted, result.TempsDeleted = temps, true
	case errors.Is(err, fs.ErrNotExist):
		result.Missing = temps
	default:
		return result, failed(ctx, op, InDoubt, CodeRefused, err)
	}
	err := s.probeArchive(ctx, finalName, sizes, &result)
	return result, err
}
