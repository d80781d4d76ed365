package batch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"platen/delivery"
	"platen/programs"
)

// Limits of one conversation with a bureau.
const (
	dialTimeout      = 15 * time.Second
	transferDeadline = 30 * time.Minute
	writesInFlight   = 64
)

// sealer encrypts to the bureau and signs as the issuer.
func (j *job) sealer() (*delivery.Sealer, error) {
	g := j.bureau.PGP
	if g.Plaintext {
		return nil, fmt.Errorf("bureau %s says plaintext: true; files are only written encrypted, so give it a PGP key", j.bureau.Code)
	}
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

// target is where and how a bureau is reached.
func (p *Plant) target(b *programs.Bureau) (delivery.Target, error) {
	t := delivery.Target{Address: b.SFTP.Address, User: b.SFTP.User, HostKeys: b.SFTP.HostKeys, In: b.SFTP.In, Out: b.SFTP.Out, Archive: b.SFTP.Archive,
		Concurrency: writesInFlight, DialTimeout: dialTimeout, Deadline: transferDeadline}
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
