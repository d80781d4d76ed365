package bureau

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"platen/delivery"
)

// laterDir is where answers wait for their time, and the others what only this bureau knows of: files that it took out of sight, and files that it ate.
const (
	laterDir   = "later"
	grabbedDir = "grabbed"
	eatenDir   = "eaten"
)

// againAfter is how long a bureau takes to notice that an answer was wrong.
const againAfter = time.Hour

func (d Dials) again() time.Duration {
	if d.Again == 0 {
		return againAfter
	}
	return d.Again
}

// give lets an answer that lies finished in laterDir under its own name wait until it is due, in the way that the dials say: once or twice, whole or wrong first.
// An answer that comes after others keeps that in the name under which it waits. The name that is looked for before anything is made again comes last, so that a death in between repeats all of it.
func (s *Simulator) give(a *answer, name string, p promise) error {
	d := a.dials
	due := a.now.Add(d.Late + p.delay)
	again := due.Add(d.again())
	content, err := s.root.ReadFile(path.Join(laterDir, name))
	if err != nil {
		return err
	}
	whole, err := s.sealed(content)
	if err != nil {
		return err
	}
	first := whole
	switch n := s.config.Dice.roll("wrong " + name); {
	case n < d.Truncate:
		first = whole[:len(whole)*2/3]
		s.note(Entry{Did: "answered cut short", File: a.input, Answer: name})
	case n < d.Truncate+d.WrongCounts:
		if first, err = s.sealed(withoutARecord(content)); err != nil {
			return err
		}
		s.note(Entry{Did: "answered with a record missing", File: a.input, Answer: name})
	}
	if !bytes.Equal(first, whole) {
		if err := s.wait(again, p.after, otherName(name, "whole"), whole); err != nil {
			return err
		}
	}
	if s.config.Dice.roll("duplicate "+name) < d.Duplicate {
		s.note(Entry{Did: "answered twice", File: a.input, Answer: name})
		if err := s.wait(again, p.after, otherName(name, "copy"), first); err != nil {
			return err
		}
	}
	if err := s.wait(due, p.after, name, first); err != nil {
		return err
	}
	return s.root.Remove(path.Join(laterDir, name))
}

// sealed is content as the issuer gets it: an OpenPGP message where the bureau declares sealed returns.
func (s *Simulator) sealed(content []byte) ([]byte, error) {
	if !s.config.Bureau.PGP.SealedReturns {
		return content, nil
	}
	var message bytes.Buffer
	w, err := s.config.Sealer.Seal(&message)
	if err != nil {
		return nil, fmt.Errorf("seal an answer: %w", err)
	}
	_, err = w.Write(content)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("seal an answer: %w", err)
	}
	return message.Bytes(), nil
}

// otherName is the name of a further answer, which the issuer's pattern still knows.
func otherName(name, word string) string {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return name + "-" + word
	}
	return name[:dot] + "-" + word + name[dot:]
}

// withoutARecord leaves out the last line but one, and with it what the counts of the file count.
func withoutARecord(content []byte) []byte {
	lines := bytes.SplitAfter(bytes.TrimSuffix(content, []byte("\n")), []byte("\n"))
	if len(lines) < 2 {
		return content[:len(content)/2]
	}
	at := len(lines) - 2
	return bytes.Join(append(lines[:at:at], lines[at+1:]...), nil)
}

// wait puts an answer away until it is due.
func (s *Simulator) wait(due time.Time, after, name string, content []byte) error {
	return s.writeFile(path.Join(laterDir, waiting(due, after, name)), func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// waiting is the name of an answer that waits: when it is due, which part of its name it shares with those that it comes after, and its own.
func waiting(due time.Time, after, name string) string {
	if after == "" {
		return fmt.Sprintf("%d~%s", due.Unix(), name)
	}
	return fmt.Sprintf("%d~%d+%d~%s", due.Unix(), strings.Index(name, after), len(after), name)
}

// waits reads the name of an answer that waits; after is empty for one that comes after none.
func waits(entry string) (due int64, after, name string, ok bool) {
	parts := strings.Split(entry, "~")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, "", "", false
	}
	name = parts[len(parts)-1]
	due, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil || len(parts) == 2 {
		return due, "", name, err == nil
	}
	from, length, _ := strings.Cut(parts[1], "+")
	at, err := strconv.Atoi(from)
	n, bad := strconv.Atoi(length)
	if errors.Join(err, bad) != nil || at < 0 || n < 0 || at+n > len(name) {
		return 0, "", "", false
	}
	return due, name[at : at+n], name, true
}

// release gives every answer that is due, in the order of their times, unless the issuer has not taken one yet that it comes after.
func (s *Simulator) release() error {
	entries, err := readDir(s.root, laterDir)
	if err != nil {
		return err
	}
	slices.SortStableFunc(entries, func(a, b os.DirEntry) int {
		first, _, _, _ := waits(a.Name())
		second, _, _, _ := waits(b.Name())
		return cmp.Compare(first, second)
	})
	for _, e := range entries {
		due, after, name, ok := waits(e.Name())
		if !ok || due > s.config.Now().Unix() || delivery.Unfinished(e.Name()) {
			continue
		}
		if taken, err := s.taken(after); err != nil {
			return err
		} else if !taken {
			continue
		}
		from := path.Join(laterDir, e.Name())
		if there, err := s.lies(name, s.out, s.archive); err != nil || there {
			if err = errors.Join(err, s.root.Remove(from)); err != nil {
				return err
			}
			continue
		}
		if err := moveNew(s.root, from, path.Join(s.out, name)); err != nil {
			return err
		}
		s.note(Entry{Did: "answered", Answer: name})
	}
	return nil
}

// taken tells whether the issuer has taken every answer that has after in its name.
func (s *Simulator) taken(after string) (bool, error) {
	if after == "" {
		return true, nil
	}
	entries, err := readDir(s.root, s.out)
	return !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return strings.Contains(e.Name(), after) }), err
}

// answered tells whether an answer was given: it waits, or lies there, or the issuer has archived it.
func (s *Simulator) answered(name string) (bool, error) {
	there, err := s.lies(name, s.out, s.archive)
	if err != nil || there {
		return there, err
	}
	entries, err := readDir(s.root, laterDir)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if _, _, known, ok := waits(e.Name()); ok && known == name {
			return true, nil
		}
	}
	return false, nil
}

// lies tells whether a name is in one of the directories.
func (s *Simulator) lies(name string, dirs ...string) (bool, error) {
	for _, dir := range dirs {
		_, err := s.root.Lstat(path.Join(dir, name))
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}
