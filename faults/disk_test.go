package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// disk is a file system in memory, whose size can be changed.
type disk struct {
	t   testing.TB
	dir string
}

const (
	ampleDisk = 512 << 20 // bytes
	diskPage  = 4 << 10   // bytes that a file system in memory gives out together
)

// newDisk mounts one. Only a process in a namespace of its own may.
func newDisk(t testing.TB) *disk {
	t.Helper()
	d := &disk{t, t.TempDir()}
	must(t, syscall.Mount("tmpfs", d.dir, "tmpfs", 0, fmt.Sprint("size=", ampleDisk)))
	t.Cleanup(func() { must(t, syscall.Unmount(d.dir, syscall.MNT_DETACH)) })
	return d
}

// leave makes the disk so large that so many bytes are left on it.
func (d *disk) leave(room int64) {
	d.t.Helper()
	must(d.t, syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprint("size=", d.used()+room)))
}

// clear gives room again.
func (d *disk) clear() {
	d.t.Helper()
	must(d.t, syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprint("size=", ampleDisk)))
}

func (d *disk) used() int64 {
	d.t.Helper()
	var s syscall.Statfs_t
	must(d.t, syscall.Statfs(d.dir, &s))
	return int64(s.Blocks-s.Bfree) * s.Bsize
}

// beginFullDisks rehearses disks that fill under database, ledger and spool. The bureaus have a disk of their own.
func beginFullDisks(t *testing.T, made *presses) (func(string) (int, violations), func() []string) {
	d := newDisk(t)
	dir := filepath.Join(d.dir, "press")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.Symlink(memory(t), filepath.Join(dir, "bureaus")))
	p := newPressIn(t, dir, nil, made.seed)
	r := record(p)
	return func(c string) (int, violations) { return p.full(d, r, c) }, func() (all []string) {
		for i := range 160 {
			n := 1 + int(fraction(made.seed, "disk", i)*float64(r.total()))
			stage, _ := r.at(n) // a stage is met as often as it has points
			f := fraction(made.seed, "room", i)
			all = append(all, fmt.Sprintf("%s+%d-pages", r.stages[stage].name, int(f*f*80)))
		}
		return all
	}
}

// full rehearses one case: so many pages are left when a stage begins. Whoever meets a full disk must say so, and goes on when there is room again.
func (p *press) full(d *disk, r recording, c string) (int, violations) {
	p.t.Helper()
	name, pages, _ := strings.Cut(strings.TrimSuffix(c, "-pages"), "+")
	room, err := strconv.ParseInt(pages, 10, 64)
	must(p.t, err)
	stage := r.stage(name)
	p.back(r, stage)
	d.leave(room * diskPage)
	o := p.run("", r.stages[stage].args...)
	d.clear()
	var v violations
	met := 0
	if said := o.stdout + o.stderr; o.code != 0 {
		met = 1
		if !strings.Contains(said, "no space left on device") && !strings.Contains(said, "database or disk is full") {
			v.add(other, "%s ends with exit code %d and does not say that the disk is full\n%s", name, o.code, said)
		}
	}
	p.bury()
	p.pardon()
	v = append(v, p.goOn(r, stage)...)
	return met, append(v, p.prove(r.journal, p.close())...)
}
