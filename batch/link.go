package batch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"platen/delivery"
	"platen/formats"
	"platen/programs"
	"platen/sql/store"
)

// What holds for a conversation with a bureau whose declaration says nothing else.
const (
	dialTimeout      = 15 * time.Second
	transferDeadline = 30 * time.Minute
	stallTime        = time.Minute
	writesInFlight   = 64
	sendsAtOnce      = 4
)

// sealer encrypts to the bureau and signs as the issuer.
func (j *job) sealer() (*delivery.Sealer, error) {
	g := j.bureau.PGP
	recipient, err := j.ResolveKey(g.RecipientFile)
	if err != nil {
		return nil, fmt.Errorf("PGP key of bureau %s: %w", j.bureau.Code, err)
	}
	signer, err := j.ResolveKey(g.SignerFile)
	if err != nil {
		return nil, fmt.Errorf("signing key for bureau %s: %w", j.bureau.Code, err)
	}
	s, err := delivery.NewSealer(recipient.Reveal(), signer.Reveal())
	if err != nil {
		return nil, fmt.Errorf("PGP keys for bureau %s: %w", j.bureau.Code, err)
	}
	return s, nil
}

// transfer is how files of the job's layout travel: what the bureau does not say of that, the layout may.
func (j *job) transfer() formats.Transfer { return j.layout.Transfer().Under(j.bureau.SFTP.Transfer()) }

// travelling is a target for files of the job's layout.
func (j *job) travelling(t delivery.Target) delivery.Target {
	how := j.transfer()
	t.Marker, t.MarkerContent = how.Marker, how.Content
	return t
}

// target is where and how a bureau is reached.
func (p *Plant) target(b *programs.Bureau) (delivery.Target, error) {
	f := b.SFTP
	t := delivery.Target{Address: f.Address, User: f.User, HostKeys: f.HostKeys, In: f.In, Out: f.Out, Archive: f.Archive,
		Concurrency: or(f.Requests, writesInFlight), DialTimeout: time.Duration(or(f.Timeout, programs.Duration(dialTimeout))),
		Stall: time.Duration(or(f.Stall, programs.Duration(stallTime))), Deadline: time.Duration(or(f.Deadline, programs.Duration(transferDeadline))),
		Quirks: delivery.Quirks{Marker: f.Marker, MarkerContent: f.MarkerText, NoStat: f.NoStat, NoFsync: f.NoFsync, NoReadBack: f.NoReadBack, TakesAtOnce: f.TakesAtOnce, ReadyMarker: f.ReadyMarker}}
	switch f.Rename {
	case programs.RenamePosix:
		t.Naming = delivery.PosixRename
	case programs.RenameNone:
		t.Naming = delivery.MarkerFile
	}
	var err error
	if b.SFTP.HostKeysFile != "" {
		pinned, err := p.ResolveKey(b.SFTP.HostKeysFile)
		if err != nil {
			return t, fmt.Errorf("host keys of bureau %s: %w", b.Code, err)
		}
		t.HostKeys = append(slices.Clone(t.HostKeys), hostKeyLines(pinned.Reveal())...)
	}
	if b.SFTP.IdentityFile != "" {
		if t.Identity, err = p.ResolveKey(b.SFTP.IdentityFile); err != nil {
			return t, fmt.Errorf("SSH key for bureau %s: %w", b.Code, err)
		}
	}
	if b.SFTP.PasswordFile != "" {
		if t.Password, err = p.ResolveKey(b.SFTP.PasswordFile); err != nil {
			return t, fmt.Errorf("password for bureau %s: %w", b.Code, err)
		}
	}
	if t.Identity.IsZero() && t.Password.IsZero() {
		return t, errors.New("bureau " + b.Code + " has neither an identity file nor a password file")
	}
	return t, nil
}

// or is the declared value, or the standard one where none is declared.
func or[T comparable](declared, standard T) T {
	var none T
	if declared == none {
		return standard
	}
	return declared
}

// ClaimSends takes released files that may leave, in the order of their sequence, a few of each bureau at a time and none of a bureau that is paused: however many
// wait for a bureau that is slow or away, they hold no worker that another bureau needs.
func (p *Plant) ClaimSends(ctx context.Context) ([]store.Due, error) {
	return p.claimSends(ctx, func(store.Sendable) bool { return true }, math.MaxInt)
}

// NextSend takes the file that may leave next for the bureau of one that was just sent.
func (p *Plant) NextSend(ctx context.Context, sent int64) ([]store.Due, error) {
	f, err := p.Store.FileByNumber(ctx, sent)
	if err != nil {
		return nil, err
	}
	return p.claimSends(ctx, func(s store.Sendable) bool { return s.Institution == f.Institution && s.Bureau == f.BureauCode }, 1)
}

func (p *Plant) claimSends(ctx context.Context, wanted func(store.Sendable) bool, limit int) ([]store.Due, error) {
	files, err := p.Store.Sendables(ctx)
	if err != nil {
		return nil, err
	}
	chosen, err := p.chooseSends(ctx, slices.DeleteFunc(files, func(s store.Sendable) bool { return !wanted(s) }))
	if err != nil || len(chosen) == 0 {
		return nil, err
	}
	var all []store.Due
	err = p.Store.InTx(ctx, func(tx *store.Tx) error {
		all = nil
		for _, number := range chosen[:min(limit, len(chosen))] {
			d, claimed, err := tx.ClaimSend(ctx, number, Lease)
			if err != nil {
				return err
			}
			if claimed {
				all = append(all, d)
			}
		}
		return nil
	})
	return all, err
}

// chooseSends leaves each bureau as many files as it takes at once, those that are on their way among them.
func (p *Plant) chooseSends(ctx context.Context, files []store.Sendable) ([]int64, error) {
	type address struct {
		institution uuid.UUID
		bureau      string
	}
	room := map[address]int{}
	for _, f := range files {
		at := address{f.Institution, f.Bureau}
		if _, known := room[at]; !known {
			b, err := p.bureauNow(ctx, f.Institution, f.Bureau)
			if err != nil {
				return nil, err
			}
			room[at] = or(b.value.SFTP.Connections, sendsAtOnce)
			if b.value.StrictOrder {
				room[at] = 1
			}
		}
		if f.Held {
			room[at]--
		}
	}
	var chosen []int64
	for _, f := range files {
		at := address{f.Institution, f.Bureau}
		if !f.Held && room[at] > 0 {
			room[at]--
			chosen = append(chosen, f.Number)
		}
	}
	return chosen, nil
}

// bureauNow is the current declaration of a bureau: where it is and which keys it has may change after a file was planned.
func (p *Plant) bureauNow(ctx context.Context, institution uuid.UUID, code string) (entry[*programs.Bureau], error) {
	all, err := current(ctx, p, p.Store.Q, institution, store.BureauProgram, decodeJSON[programs.Bureau])
	if err != nil {
		return entry[*programs.Bureau]{}, err
	}
	b, ok := all[code]
	if !ok {
		return b, fmt.Errorf("bureau %s: %w", code, store.ErrNotFound)
	}
	return b, nil
}

// RetryBureau ends the pause that failures put on a bureau: a person has put right what was wrong.
func (p *Plant) RetryBureau(ctx context.Context, i store.Institution, code, actor string) error {
	b, err := p.bureauNow(ctx, i.ID, code)
	if err != nil {
		return err
	}
	err = p.Store.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.RetryLink(ctx, b.number); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "bureau.retry", code, map[string]any{}, p.Now())
	})
	p.Wake()
	return err
}

// spoken records how a conversation with a bureau went. One that let nobody in is left alone for a while: what is wrong with a login or a key does not mend
// by itself, and knocking on would lock us out.
func (p *Plant) spoken(ctx context.Context, b entry[*programs.Bureau], because error) error {
	ctx = context.WithoutCancel(ctx)
	return p.Store.InTx(ctx, func(tx *store.Tx) error {
		switch {
		case because == nil:
			return tx.LinkReached(ctx, b.number, b.version, p.Now())
		case !delivery.Unreached(because):
			return nil // what went wrong behind the login says nothing of the way to the bureau, and its caller has it
		}
		code := delivery.Code(because)
		return tx.LinkFailed(ctx, b.number, b.version, code, because.Error(), func(n int) time.Duration { return linkPause(code, n) }, p.Now())
	})
}

// linkPause is how long nobody tries a bureau after n failures in a row of one kind.
func linkPause(code string, n int) time.Duration {
	switch code {
	case delivery.CodeAuthFailed:
		return min(15*time.Minute<<min(n, 4), 4*time.Hour)
	case delivery.CodeHostKeyMismatch, delivery.CodeAlgorithms, delivery.CodeNoSFTP:
		return min(5*time.Minute<<min(n, 4), time.Hour)
	}
	return backoff(n)
}

// hostKeyLines are the keys of a file in authorized_keys form.
func hostKeyLines(body []byte) []string {
	var lines []string
	for line := range strings.Lines(string(body)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}
