package delivery

import (
	"context"
	"errors"
	"io/fs"

	"platen/fault"
)

// rename is the step after which the bureau has the file. SFTP's own rename refuses a name that exists (OpenSSH; draft-ietf-secsh-filexfer-02 6.5);
// since other servers replace it, the name is looked at once more with nothing between that look and the rename.
func (d *sending) rename(ctx context.Context) error {
	const op = "rename"
	if d.BeforeRename != nil {
		if err := d.BeforeRename(ctx); err != nil {
			d.deleteTemp()
			return &Error{Op: "prepare the rename", Code: CodeStopped, Err: err}
		}
	}
	switch _, err := d.lookAt(ctx, d.final); {
	case err == nil:
		d.deleteTemp()
		return &Error{Op: op, Code: CodeNameTaken, Err: ErrNameTaken}
	case !errors.Is(err, fs.ErrNotExist):
		e := failed(ctx, op, NotDelivered, CodeRefused, err)
		d.deleteTemp()
		return e
	}
	fault.Point("upload: before the rename")
	err := d.renameRequest(d.temp, d.final)
	fault.Point("upload: renamed")
	switch {
	case err == nil:
		return d.renamed(ctx)
	case answered(err):
		return d.renameRefused(ctx, err)
	}
	return failed(ctx, op, InDoubt, CodeConnectionLost, err)
}

func (d *sending) renameRequest(from, to string) error {
	if d.target.Naming == PosixRename {
		return d.sftp.PosixRename(from, to)
	}
	return d.sftp.Rename(from, to)
}

// renamed looks whether the bureau has what it said yes to.
func (d *sending) renamed(ctx context.Context) error {
	const op = "look at the delivered file"
	info, err := d.lookAt(ctx, d.final)
	switch {
	case err == nil && info.Mode().IsRegular() && info.Size() == d.Size:
		d.receipt.RemoteSize = info.Size()
		d.receipt.Evidence = "renamed, size at the final name"
		return nil
	case err == nil:
		return &Error{Op: op, Outcome: InDoubt, Code: CodeSizeMismatch, Err: errors.New("the final name shows another size after the rename")}
	case !errors.Is(err, fs.ErrNotExist):
		return failed(ctx, op, InDoubt, CodeRefused, err)
	}
	// Neither we nor the bureau may have the file now. If the temporary file is still there the rename never was.
	err = d.remove(ctx, d.temp)
	switch {
	case err == nil:
		return &Error{Op: op, Code: CodeRenameLost, Err: errors.New("the server confirmed a rename that it did not do")}
	case errors.Is(err, fs.ErrNotExist) && d.target.TakesAtOnce:
		d.receipt.RemoteSize = d.Size
		d.receipt.Evidence = "renamed, taken by the bureau at once"
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Op: op, Outcome: InDoubt, Code: CodeVanished, Err: errors.New("the file is gone after a confirmed rename")}
	}
	return failed(ctx, op, InDoubt, CodeRefused, err)
}

// renameRefused proves that a refused rename did nothing: the temporary file, once deleted, cannot be renamed any more.
func (d *sending) renameRefused(ctx context.Context, cause error) error {
	const op = "rename"
	if err := d.remove(ctx, d.temp); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return failed(ctx, op, InDoubt, CodeRenameRefused, err)
		}
		return d.renamedAfterAll(ctx, cause)
	}
	if _, err := d.lookAt(ctx, d.final); err == nil {
		return &Error{Op: op, Code: CodeNameTaken, Err: errors.Join(ErrNameTaken, cause)}
	}
	return &Error{Op: op, Code: CodeRenameRefused, Err: cause}
}

// renamedAfterAll follows a rename that was refused although its temporary file is gone.
func (d *sending) renamedAfterAll(ctx context.Context, cause error) error {
	const op = "look at the delivered file"
	info, err := d.lookAt(ctx, d.final)
	if err != nil {
		return failed(ctx, op, InDoubt, CodeRenameRefused, cause)
	}
	same, read, err := d.sameContent(d.final, info)
	if err != nil || !same {
		return failed(ctx, op, InDoubt, CodeRenameRefused, cause)
	}
	d.receipt.RemoteSize, d.receipt.ReadBack = info.Size(), d.receipt.ReadBack || read
	d.receipt.Evidence = "at the final name, although the server refused the rename"
	return nil
}
