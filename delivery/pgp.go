package delivery

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/gopenpgp/v3/crypto"

	"platen/card"
)

// Errors of sealing and opening.
var (
	ErrPGPKey     = errors.New("the OpenPGP key cannot be used")
	ErrNotOpened  = errors.New("the OpenPGP message cannot be decrypted")
	ErrPGPSigning = errors.New("the OpenPGP message is not signed by the sender, or was changed")
)

// expiryWarning is how long before its end a key is worth a warning.
const expiryWarning = 30 * 24 * time.Hour

// Sealer encrypts files to one bureau and signs them as us, inside the encryption, in the form that GnuPG 2.2 reads (RFC 4880 with
// AES-256 and integrity protection). It is safe for many goroutines.
type Sealer struct {
	recipient, signer keyText
}

// NewSealer reads the bureau's public key and our private one, binary or armored, without a passphrase.
func NewSealer(recipientPublic, signerPrivate []byte) (*Sealer, error) {
	recipient, recipientKey, err := publicKey(recipientPublic)
	if err != nil {
		return nil, fmt.Errorf("the recipient's key: %w", err)
	}
	now := time.Now().Unix()
	if !recipientKey.CanEncrypt(now) {
		return nil, fmt.Errorf("the recipient's key is expired, revoked or not for encryption: %w", ErrPGPKey)
	}
	signer, signerKey, err := privateKey(signerPrivate)
	if err != nil {
		return nil, fmt.Errorf("the signer's key: %w", err)
	}
	if !signerKey.CanVerify(now) {
		return nil, fmt.Errorf("the signer's key is expired, revoked or not for signing: %w", ErrPGPKey)
	}
	return &Sealer{recipient: recipient, signer: signer}, nil
}

// Fingerprints names the two keys in hexadecimal.
func (s *Sealer) Fingerprints() (recipient, signer string) {
	return s.recipient.fingerprint, s.signer.fingerprint
}

// ExpiringSoon tells whether one of the two keys cannot be used any more within 30 days of now.
func (s *Sealer) ExpiringSoon(now time.Time) bool {
	recipient, err := s.recipient.key()
	if err != nil {
		return true
	}
	signer, err := s.signer.key()
	then := now.Add(expiryWarning).Unix()
	return err != nil || !recipient.CanEncrypt(then) || !signer.CanVerify(then)
}

// Seal returns a writer whose content goes to w as one binary OpenPGP message. The message is complete when Close has succeeded; w is not
// closed.
func (s *Sealer) Seal(w io.Writer) (io.WriteCloser, error) {
	recipient, err := s.recipient.key()
	if err != nil {
		return nil, err
	}
	signer, err := s.signer.key()
	if err != nil {
		return nil, err
	}
	handle, err := crypto.PGP().Encryption().Recipient(recipient).SigningKey(signer).New()
	if err != nil {
		return nil, fmt.Errorf("prepare the encryption: %w", err)
	}
	sealed, err := handle.EncryptingWriter(w, crypto.Bytes)
	if err != nil {
		return nil, fmt.Errorf("begin the encryption: %w", err)
	}
	return sealed, nil
}

// Opener decrypts files and accepts the signature of one sender only. It is safe for many goroutines.
type Opener struct {
	own, sender keyText
}

// NewOpener reads our private key and the sender's public one, binary or armored, without a passphrase.
func NewOpener(ownPrivate, senderPublic []byte) (*Opener, error) {
	own, _, err := privateKey(ownPrivate)
	if err != nil {
		return nil, fmt.Errorf("our key: %w", err)
	}
	sender, _, err := publicKey(senderPublic)
	if err != nil {
		return nil, fmt.Errorf("the sender's key: %w", err)
	}
	return &Opener{own: own, sender: sender}, nil
}

// Fingerprints names the two keys in hexadecimal.
func (o *Opener) Fingerprints() (own, sender string) { return o.own.fingerprint, o.sender.fingerprint }

// Open returns the content of the message in r. What it reads is proved only when Read answers io.EOF: until then the content may be
// anybody's. A changed message fails with ErrNotOpened, a missing or foreign signature with ErrPGPSigning in place of io.EOF.
func (o *Opener) Open(r io.Reader) (io.Reader, error) {
	own, err := o.own.key()
	if err != nil {
		return nil, err
	}
	sender, err := o.sender.key()
	if err != nil {
		return nil, err
	}
	handle, err := crypto.PGP().Decryption().DecryptionKey(own).VerificationKey(sender).New()
	if err != nil {
		return nil, fmt.Errorf("prepare the decryption: %w", err)
	}
	opened, err := handle.DecryptingReader(r, crypto.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotOpened, err)
	}
	return &verifiedReader{from: opened}, nil
}

// verifiedReader turns the end of a message into the verdict on its signature.
type verifiedReader struct {
	from *crypto.VerifyDataReader
	end  error
}

func (v *verifiedReader) Read(b []byte) (int, error) {
	if v.end != nil {
		return 0, v.end
	}
	n, err := v.from.Read(b)
	switch {
	case errors.Is(err, io.EOF):
		v.end = v.verdict()
	case err != nil:
		v.end = fmt.Errorf("%w: %w", ErrNotOpened, err)
	}
	return n, v.end
}

func (v *verifiedReader) verdict() error {
	result, err := v.from.VerifySignature()
	if err == nil {
		err = result.SignatureError()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPGPSigning, err)
	}
	return io.EOF
}

// NewKeyPair draws an OpenPGP key of EdDSA and X25519 that does not expire, for signing and encryption. Both halves are armored.
func NewKeyPair(name, email string, now time.Time) (public, private []byte, err error) {
	key, err := crypto.PGP().KeyGeneration().AddUserId(name, email).GenerationTime(now.Unix()).New().GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("draw an OpenPGP key: %w", err)
	}
	privateText, err := key.Armor()
	if err != nil {
		return nil, nil, fmt.Errorf("write an OpenPGP key: %w", err)
	}
	publicText, err := key.GetArmoredPublicKey()
	if err != nil {
		return nil, nil, fmt.Errorf("write an OpenPGP key: %w", err)
	}
	return []byte(publicText), []byte(privateText), nil
}

// keyText is a key in its written form. The library's parsed keys remember what they looked up and so serve one goroutine at a time:
// every message gets keys of its own.
type keyText struct {
	text        card.Secret
	fingerprint string
}

func (k keyText) key() (*crypto.Key, error) {
	key, err := crypto.NewKeyFromReader(bytes.NewReader(k.text.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPGPKey, err)
	}
	return key, nil
}

func keep(key *crypto.Key) (keyText, error) {
	text, err := key.Serialize()
	if err != nil {
		return keyText{}, fmt.Errorf("%w: %w", ErrPGPKey, err)
	}
	return keyText{text: card.NewSecret(text), fingerprint: key.GetFingerprint()}, nil
}

// publicKey reads a key and forgets its private half, should it have one.
func publicKey(b []byte) (keyText, *crypto.Key, error) {
	key, err := crypto.NewKeyFromReader(bytes.NewReader(b))
	if err == nil && key.IsPrivate() {
		key, err = key.ToPublic()
	}
	if err != nil {
		return keyText{}, nil, fmt.Errorf("%w: %w", ErrPGPKey, err)
	}
	kept, err := keep(key)
	return kept, key, err
}

func privateKey(b []byte) (keyText, *crypto.Key, error) {
	key, err := crypto.NewKeyFromReader(bytes.NewReader(b))
	if err != nil {
		return keyText{}, nil, fmt.Errorf("%w: %w", ErrPGPKey, err)
	}
	if !key.IsPrivate() {
		return keyText{}, nil, fmt.Errorf("it is a public key: %w", ErrPGPKey)
	}
	if open, err := key.IsUnlocked(); err != nil || !open {
		return keyText{}, nil, fmt.Errorf("it is protected by a passphrase: %w", ErrPGPKey)
	}
	kept, err := keep(key)
	return kept, key, err
}
