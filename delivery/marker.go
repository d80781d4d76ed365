package delivery

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"platen/fault"
)

// markerTemp ends the temporary name of a marker that has content.
const markerTemp = ".marker"

// sendWithMarker serves a bureau that takes a file only when its marker lies beside it, so that the marker is what the rename is elsewhere:
// the content comes to its final name and is proved there, and then the marker is made. Where the server cannot rename, the content is written under its
// final name, and the promise is weaker: half a file can be seen there by whoever does not wait for the marker.
func (d *sending) sendWithMarker(ctx context.Context) (Receipt, error) {
	if d.target.Naming == MarkerFile {
		d.temp = d.final
	} else if err := d.deleteMarkerTemps(ctx, d.EarlierTemps); err != nil {
		return Receipt{}, failed(ctx, "delete the marker of an earlier attempt", NotDelivered, CodeRefused, err)
	} else if err := d.deleteEarlier(ctx); err != nil {
		return Receipt{}, err
	}
	if there, err := d.alreadyMarked(ctx); err != nil || there {
		return d.receipt, err
	}
	if err := d.writeTemp(ctx); err != nil {
		if d.created { // what stood there before is not ours to delete
			d.deleteTemp()
		}
		return Receipt{}, err
	}
	if err := d.place(ctx); err != nil {
		return Receipt{}, err
	}
	if d.BeforeRename != nil {
		if err := d.BeforeRename(ctx); err != nil {
			_ = d.sftp.Remove(d.final)
			return Receipt{}, &Error{Op: "prepare the marker", Code: CodeStopped, Err: err}
		}
	}
	err := d.mark(ctx)
	return d.receipt, err
}

// place brings the content to its final name. Whatever goes wrong, without its marker it is not delivered.
func (d *sending) place(ctx context.Context) error {
	const op = "rename"
	if d.temp == d.final {
		return nil
	}
	switch _, err := d.lookAt(ctx, d.final); {
	case err == nil:
		d.deleteTemp()
		return &Error{Op: op, Code: CodeNameTaken, Err: ErrNameTaken}
	case !errors.Is(err, fs.ErrNotExist):
		d.deleteTemp()
		return failed(ctx, op, NotDelivered, CodeRefused, err)
	}
	if err := d.renameRequest(d.temp, d.final); err != nil {
		d.deleteTemp()
		return failed(ctx, op, NotDelivered, CodeRenameRefused, err)
	}
	info, err := d.lookAt(ctx, d.final)
	switch {
	case err != nil:
		return failed(ctx, "look at the renamed file", NotDelivered, CodeRenameLost, err)
	case info.Size() != d.Size:
		return &Error{Op: "look at the renamed file", Code: CodeSizeMismatch, Err: errors.New("the final name shows another size after the rename")}
	}
	return nil
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
	err := d.makeMarker()
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

// makeMarker creates the marker: empty at once, or with its content under a temporary name that is then renamed, so that nobody sees half of it.
func (d *sending) makeMarker() error {
	name := d.marker()
	if d.target.MarkerContent != "" {
		name = d.temp + markerTemp
	}
	f, err := d.sftp.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	if d.target.MarkerContent == "" {
		return f.Close()
	}
	content := strings.NewReplacer("{name}", d.FinalName, "{bytes}", strconv.FormatInt(d.Size, 10), "{sha256}", hex.EncodeToString(d.SHA256[:])).Replace(d.target.MarkerContent)
	if _, err := f.Write([]byte(content)); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return d.renameRequest(name, d.marker())
}

// probeMarked is Probe where a marker file stands for the rename: without its marker the file is deleted, so that nothing can change any more.
func (s *Session) probeMarked(ctx context.Context, finalName string, sizes []int64, temps []string) (ProbeResult, error) {
	const op = "probe"
	final := path.Join(s.target.In, finalName)
	var result ProbeResult
	if err := s.deleteMarkerTemps(ctx, temps); err != nil {
		return result, failed(ctx, op, InDoubt, CodeRefused, err)
	}
	switch _, err := s.lookAt(ctx, final+s.target.Marker); {
	case err == nil:
		err := s.probeFinal(ctx, finalName, sizes, &result)
		return result, err
	case !errors.Is(err, fs.ErrNotExist):
		return result, failed(ctx, op, InDoubt, CodeRefused, err)
	}
	if s.target.Naming != MarkerFile {
		if err := s.deleteTemps(ctx, temps, &result); err != nil {
			return ProbeResult{}, err
		}
	}
	switch err := s.remove(ctx, final); {
	case err == nil:
		result.Deleted, result.Missing, result.TempsDeleted = temps, nil, true
	case errors.Is(err, fs.ErrNotExist):
		if s.target.Naming == MarkerFile {
			result.Missing = temps
		}
	default:
		return result, failed(ctx, op, InDoubt, CodeRefused, err)
	}
	err := s.probeArchive(ctx, finalName, sizes, &result)
	return result, err
}

// deleteMarkerTemps deletes what attempts were about to rename to their marker: after that none can come any more.
func (s *Session) deleteMarkerTemps(ctx context.Context, temps []string) error {
	if s.target.MarkerContent == "" {
		return nil
	}
	for _, name := range temps {
		if err := s.remove(ctx, path.Join(s.target.In, name+markerTemp)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
