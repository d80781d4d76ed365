package delivery

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// NewSSHKeyPair draws an Ed25519 key for a login or a host: the private key in OpenSSH's PEM and the public one as a line of
// authorized_keys, both ending in a newline.
func NewSSHKeyPair(comment string) (privatePEM, authorizedKey []byte, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("draw an SSH key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return nil, nil, fmt.Errorf("write an SSH key: %w", err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, nil, fmt.Errorf("write an SSH key: %w", err)
	}
	authorizedKey = ssh.MarshalAuthorizedKey(line)
	if comment != "" {
		authorizedKey = fmt.Appendf(authorizedKey[:len(authorizedKey)-1], " %s\n", comment)
	}
	return pem.EncodeToMemory(block), authorizedKey, nil
}
