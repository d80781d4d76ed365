package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"platen/hsm/keystore"
)

// errTerminal says that components are typed by people.
var errTerminal = errors.New("components are entered at a terminal: standard input is none")

// enterComponents is the ceremony: each custodian names himself, types his component unseen and confirms its check value; then all confirm
// that of the key. Its names go to data.
func enterComponents(cmd *cobra.Command, a *app, in keystore.Incoming, alg keystore.Algorithm, count int, data map[string]any) (keystore.Key, error) {
	none := keystore.Key{}
	desk, err := newDesk()
	if err != nil {
		return none, err
	}
	ceremony, err := a.keys.NewCeremony(in, alg, count)
	if err != nil {
		return none, err
	}
	defer ceremony.Close()
	ctx := cmd.Context()
	for i := range count {
		if err := admit(ctx, desk, ceremony, fmt.Sprintf("Component %d of %d. A name is shown once it is taken. Name of the custodian: ", i+1, count)); err != nil {
			return none, err
		}
		text, err := desk.askUnseen(ctx, "Component (hex, not shown): ")
		if err != nil {
			return none, err
		}
		kcv, err := ceremony.Enter(text)
		if err != nil {
			return none, err
		}
		if err := desk.confirm(ctx, fmt.Sprintf("Check value of component %d", i+1), kcv); err != nil {
			return none, err
		}
	}
	kcv, err := ceremony.Sum()
	if err != nil {
		return none, err
	}
	if ceremony.Adjusted() {
		fmt.Fprintln(os.Stderr, "The components have odd parity, so their sum has even parity. Its parity bits were set, which DES ignores.")
		data["parity"] = "adjusted"
	}
	if in.KCV != "" && !strings.EqualFold(kcv, in.KCV) {
		return none, &keystore.FieldError{Field: "kcv", Err: keystore.ErrKCV}
	}
	if err := desk.confirm(ctx, "Check value of the key", kcv); err != nil {
		return none, err
	}
	data["custodians"] = ceremony.Custodians()
	return ceremony.Commit()
}

// admit asks for a name and shows it once it is sure that it is one: somebody may type the component first.
func admit(ctx context.Context, d *desk, ceremony *keystore.Ceremony, question string) error {
	name, err := d.askUnseen(ctx, question)
	if err != nil {
		return err
	}
	if err := ceremony.Admit(name); err != nil {
		return err
	}
	all := ceremony.Custodians()
	fmt.Fprintf(os.Stderr, "Welcome, %s.\n", all[len(all)-1])
	return nil
}

// desk is the terminal at which custodians sit.
type desk struct{ tty *os.File }

func newDesk() (*desk, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, errTerminal
	}
	return &desk{tty: os.Stdin}, nil
}

// ask shows a question and reads a line.
func (d *desk) ask(ctx context.Context, question string) (string, error) {
	fmt.Fprint(os.Stderr, question)
	line, err := d.wait(ctx, d.line)
	return string(line), err
}

// askUnseen is ask without echo. The caller wipes the answer.
func (d *desk) askUnseen(ctx context.Context, question string) (line []byte, err error) {
	// The echo goes before the question comes, so that a fast typist is not seen either.
	before, err := term.MakeRaw(int(d.tty.Fd()))
	if err != nil {
		return nil, fmt.Errorf("turn the echo off: %w", err)
	}
	defer func() {
		err = errors.Join(err, term.Restore(int(d.tty.Fd()), before))
		fmt.Fprintln(os.Stderr)
	}()
	fmt.Fprint(os.Stderr, question)
	return d.wait(ctx, d.unseenLine)
}

// confirm asks whether a check value is the one on paper.
func (d *desk) confirm(ctx context.Context, what, kcv string) error {
	answer, err := d.ask(ctx, fmt.Sprintf("%s: %s. Is it right? (yes or no): ", what, kcv))
	if err != nil {
		return err
	}
	if !strings.EqualFold(strings.TrimSpace(answer), "yes") {
		return &keystore.FieldError{Field: "kcv", Err: errors.New("was not confirmed; nothing was stored")}
	}
	return nil
}

var errInterrupted = errors.New("interrupted; nothing was stored")

// wait reads until there is an answer or the command is interrupted.
func (d *desk) wait(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type answer struct {
		line []byte
		err  error
	}
	// One answer fits without a reader: after an interruption nobody takes it, and the process ends.
	answers := make(chan answer, 1)
	go func() {
		line, err := read()
		answers <- answer{line, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return nil, fmt.Errorf("read from the terminal: %w", a.err)
		}
		return a.line, nil
	case <-ctx.Done():
		return nil, errInterrupted
	}
}

// maxLine is the longest answer in bytes.
const maxLine = 256

// line reads byte by byte: whatever is typed ahead belongs to the next question.
func (d *desk) line() ([]byte, error) {
	var line []byte
	for b := make([]byte, 1); len(line) < maxLine; {
		n, err := d.tty.Read(b)
		if n == 1 && b[0] == '\n' {
			return line, nil
		}
		if n == 1 {
			line = append(line, b[0])
		}
		if errors.Is(err, io.EOF) {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errors.New("the answer is too long")
}

// withoutLast cuts the last character, wiped.
func withoutLast(line []byte) []byte {
	_, size := utf8.DecodeLastRune(line)
	clear(line[len(line)-size:])
	return line[:len(line)-size]
}

// Keys of a terminal whose lines are read raw.
const (
	interruptKey = 0x03
	endKey       = 0x04
	backspaceKey = 0x08
	deleteKey    = 0x7F
)

// unseenLine reads a line from the raw terminal, where the correction of mistakes is the reader's task.
func (d *desk) unseenLine() ([]byte, error) {
	line := make([]byte, 0, maxLine)
	for b := make([]byte, 1); ; {
		if n, err := d.tty.Read(b); err != nil || n != 1 {
			clear(line)
			return nil, errors.Join(io.ErrUnexpectedEOF, err)
		}
		switch {
		case b[0] == '\r' || b[0] == '\n':
			b[0] = 0
			return line, nil
		case b[0] == interruptKey || b[0] == endKey:
			clear(line)
			return nil, errInterrupted
		case b[0] == backspaceKey || b[0] == deleteKey:
			line = withoutLast(line)
		case len(line) == maxLine:
			clear(line)
			return nil, errors.New("the answer is too long")
		default:
			line = append(line, b[0])
		}
	}
}
