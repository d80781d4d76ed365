package bureau

import (
	"io"
	"os"
	"path"
	"sync"
	"syscall"

	"github.com/pkg/sftp"

	"platen/delivery"
)

// visit is what one client may do: put files into the input directory, read all three directories, move answers to the archive. It
// implements the handlers of an SFTP server.
type visit struct {
	sim   *Simulator
	dials Dials // as they were when the client came

	mu      sync.Mutex
	brought []string // names that this client made final
	left    bool
}

// place splits a path into one of the served directories and a name in it; a name is empty for the directory itself.
func (v *visit) place(name string) (dir, file string, ok bool) {
	name = inside(name)
	for _, dir := range []string{v.sim.in, v.sim.out, v.sim.archive} {
		if name == dir {
			return dir, "", true
		}
		if path.Dir(name) == dir {
			return dir, path.Base(name), true
		}
	}
	return "", "", name == "."
}

// Fileread implements sftp.FileReader.
func (v *visit) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	dir, file, ok := v.place(r.Filepath)
	if !ok || file == "" {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	return v.sim.root.Open(path.Join(dir, file))
}

// Filewrite implements sftp.FileWriter: new files in the input directory only, none is ever opened a second time.
func (v *visit) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	dir, file, ok := v.place(r.Filepath)
	flags := r.Pflags()
	if !ok || dir != v.sim.in || file == "" || !flags.Creat {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	f, err := v.sim.root.OpenFile(path.Join(dir, file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if !delivery.Unfinished(file) {
		v.bring(file)
	}
	return &durable{File: f, room: v.dials.DiskBytes, lie: v.dials.Lie}, nil
}

// durable is a file that is on the disk when its Close has succeeded, unless the bureau has no room or lies.
type durable struct {
	*os.File
	room int64 // 0 = enough
	lie  bool
}

func (d *durable) WriteAt(b []byte, at int64) (int, error) {
	switch {
	case d.lie:
		return len(b), nil
	case d.room > 0 && at+int64(len(b)) > d.room:
		return 0, syscall.ENOSPC
	}
	return d.File.WriteAt(b, at)
}

func (d *durable) Close() error {
	if err := d.Sync(); err != nil {
		_ = d.File.Close()
		return err
	}
	return d.File.Close()
}

// Filecmd implements sftp.FileCmder.
func (v *visit) Filecmd(r *sftp.Request) error {
	dir, file, ok := v.place(r.Filepath)
	if !ok || file == "" {
		return sftp.ErrSSHFxPermissionDenied
	}
	switch r.Method {
	case "Rename":
		return v.rename(dir, file, r.Target)
	case "Remove":
		if dir != v.sim.in {
			return sftp.ErrSSHFxPermissionDenied
		}
		return v.sim.root.Remove(path.Join(dir, file))
	case "Setstat":
		return nil // a client may wish for times and modes; nothing here depends on them
	}
	return sftp.ErrSSHFxOpUnsupported
}

// PosixRename implements sftp.PosixRenameFileCmder: nothing here replaces a file.
func (v *visit) PosixRename(*sftp.Request) error { return sftp.ErrSSHFxOpUnsupported }

// rename refuses a name that exists, as OpenSSH does.
func (v *visit) rename(dir, file, target string) error {
	toDir, toFile, ok := v.place(target)
	allowed := dir == toDir && dir == v.sim.in || dir == v.sim.out && toDir == v.sim.archive
	if !ok || !allowed || toFile == "" {
		return sftp.ErrSSHFxPermissionDenied
	}
	if dir == v.sim.in && !delivery.Unfinished(toFile) {
		v.bring(toFile)
	}
	to := path.Join(toDir, toFile)
	if err := moveNew(v.sim.root, path.Join(dir, file), to); err != nil || toDir != v.sim.in || delivery.Unfinished(toFile) || v.sim.markerOf(toFile) != "" {
		return err
	}
	if wait, err := v.sim.waits(toDir, toFile); err != nil || wait {
		return err // who waits for a marker takes nothing the moment it has its name
	}
	return v.sim.vanish(to, v.dials)
}

// vanish takes a file out of sight the moment it has its name, where the dials say so: to be made, or never to be seen again.
func (s *Simulator) vanish(from string, d Dials) error {
	name := path.Base(from)
	if d.Eat > 0 {
		eaten, err := readDir(s.root, eatenDir)
		if err != nil {
			return err
		}
		if len(eaten) < d.Eat {
			s.note(Entry{Did: "ate", File: name})
			return s.root.Rename(from, path.Join(eatenDir, name))
		}
	}
	if !d.TakeAtOnce {
		return nil
	}
	s.note(Entry{Did: "took at once", File: name})
	return s.root.Rename(from, path.Join(grabbedDir, name))
}

// moveNew renames without replacing: a link to the new name, then no more old one.
func moveNew(root *os.Root, from, to string) error {
	if err := root.Link(from, to); err != nil {
		return err
	}
	if err := root.Remove(from); err != nil {
		return err
	}
	return syncDir(root, path.Dir(to))
}

// syncDir makes the names in a directory durable.
func syncDir(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	_ = d.Close()
	return err
}

// Filelist implements sftp.FileLister.
func (v *visit) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	dir, file, ok := v.place(r.Filepath)
	if !ok {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	if r.Method != "List" {
		info, err := v.sim.root.Lstat(path.Join(".", dir, file))
		if err != nil {
			return nil, err
		}
		return infos{info}, nil
	}
	if dir == "" || file != "" {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	entries, err := readDir(v.sim.root, dir)
	if err != nil {
		return nil, err
	}
	var all infos
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // what is gone by now is not listed
			all = append(all, info)
		}
	}
	return all, nil
}

// Lstat implements sftp.LstatFileLister.
func (v *visit) Lstat(r *sftp.Request) (sftp.ListerAt, error) { return v.Filelist(r) }

type infos []os.FileInfo

func (l infos) ListAt(to []os.FileInfo, at int64) (int, error) {
	if at >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(to, l[at:])
	if n < len(to) {
		return n, io.EOF
	}
	return n, nil
}

// bring notes a final name before it exists, so that nobody takes the file from under the client.
func (v *visit) bring(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.left {
		return
	}
	v.brought = append(v.brought, name)
	v.sim.mu.Lock()
	v.sim.fresh[name]++
	v.sim.mu.Unlock()
}

// leave hands the files over.
func (v *visit) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.left = true
	v.sim.mu.Lock()
	for _, name := range v.brought {
		if v.sim.fresh[name]--; v.sim.fresh[name] == 0 {
			delete(v.sim.fresh, name)
		}
	}
	v.sim.mu.Unlock()
	if len(v.brought) == 0 {
		return
	}
	select {
	case v.sim.wake <- struct{}{}:
	default:
	}
}
