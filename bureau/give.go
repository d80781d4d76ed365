package bureau

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
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
// The name that is looked for before anything is made again comes last, so that a death in between repeats all of it.
func (s *Simulator) give(a *answer, name string, late bool) error {
	d := a.dials
	due := a.now.Add(d.Late)
	if late {
		due = due.Add(d.again())
	}
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
		if err := s.wait(again, otherName(name, "whole"), whole); err != nil {
			return err
		}
	}
	if s.config.Dice.roll("duplicate "+name) < d.Duplicate {
		s.note(Entry{Did: "answered twice", File: a.input, Answer: name})
		if err := s.wait(again, otherName(name, "copy"), first); err != nil {
			return err
		}
	}
	if err := s.wait(due, name, first); err != nil {
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
func (s *Simulator) wait(due time.Time, name string, content []byte) error {
	return s.writeFile(path.Join(laterDir, waiting(due, name)), func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// waiting is the name of an answer that waits: when it is due, and its own.
func waiting(due time.Time, name string) string { return fmt.Sprintf("%d~%s", due.Unix(), name) }

// release gives every answer that is due.
func (s *Simulator) release() error {
	entries, err := readDir(s.root, laterDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		due, name, ok := strings.Cut(e.Name(), "~")
		at, err := strconv.ParseInt(due, 10, 64)
		if !ok || err != nil || at > s.config.Now().Unix() || delivery.Unfinished(e.Name()) {
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
		if _, waits, ok := strings.Cut(e.Name(), "~"); ok && waits == name {
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
