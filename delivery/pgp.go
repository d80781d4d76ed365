package delivery

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"time"

	"github.com/ProtonMail/gopenpgp/v3/crypto"
)

// Errors of sealing and opening.
var (
	ErrPGPKey     = errors.New("the OpenPGP key cannot be used")
	ErrNotOpened  = errors.New("the OpenPGP message cannot be decrypted")
	ErrPGPSigning = errors.New("the OpenPGP message is not signed by the sender, or was changed")
)

// ExpiryWarning is how long before its end a key is worth a warning.
const ExpiryWarning = 30 * 24 * time.Hour

// Sealer encrypts files to one bureau and signs them as us, inside the encryption, in the form that GnuPG 2.2 reads (RFC 4880 with
// AES-256 and integrity protection). It is safe for many goroutines.
type Sealer struct {
	recipient, signer ring
}

// NewSealer reads the bureau's public keys and our private ones, binary or armored, without a passphrase. Of several in one text the newest
// that can be used today is taken: a key is rotated by putting its successor beside it. Without one it fails with ErrPGPKey.
func NewSealer(recipientPublic, signerPrivate []byte) (*Sealer, error) {
	now := time.Now().Unix()
	recipient, err := newestOf(recipientPublic, false, func(k *crypto.Key) bool { return k.CanEncrypt(now) })
	if err != nil {
		return nil, fmt.Errorf("the recipient's key: %w", err)
	}
	signer, err := newestOf(signerPrivate, true, func(k *crypto.Key) bool { return k.CanVerify(now) })
	if err != nil {
		return nil, fmt.Errorf("the signer's key: %w", err)
	}
	return &Sealer{recipient: recipient, signer: signer}, nil
}

// newestOf keeps the youngest of the keys that can be used.
func newestOf(text []byte, private bool, usable func(*crypto.Key) bool) (ring, error) {
	keys, err := readKeys(text, private)
	if err != nil {
		return ring{}, err
	}
	var newest *crypto.Key
	for _, k := range keys {
		if usable(k) && (newest == nil || k.GetEntity().PrimaryKey.CreationTime.After(newest.GetEntity().PrimaryKey.CreationTime)) {
			newest = k
		}
	}
	if newest == nil {
		return ring{}, fmt.Errorf("it is expired, revoked, not valid yet, or made for something else: %w", ErrPGPKey)
	}
	return keepKeys([]*crypto.Key{newest})
}

// KeysEnd tells when the last usable key of a text ends, if that is within ExpiryWarning of now; otherwise it is zero. ErrPGPKey says that none
// can be used now.
func KeysEnd(text []byte, now time.Time) (time.Time, error) {
	keys, err := readKeys(text, false)
	if err != nil {
		return time.Time{}, err
	}
	usable := func(t time.Time) bool {
		return slices.ContainsFunc(keys, func(k *crypto.Key) bool {
			return k.CanVerify(t.Unix()) && (k.IsPrivate() || k.CanEncrypt(t.Unix()))
		})
	}
	if !usable(now) {
		return time.Time{}, fmt.Errorf("it is expired, revoked, not valid yet, or made for something else: %w", ErrPGPKey)
	}
	if usable(now.Add(ExpiryWarning)) {
		return time.Time{}, nil
	}
	left := sort.Search(int(ExpiryWarning/time.Second), func(s int) bool { return !usable(now.Add(time.Duration(s) * time.Second)) })
	return now.Add(time.Duration(left) * time.Second), nil
}

// Fingerprints names the two keys in hexadecimal.
func (s *Sealer) Fingerprints() (recipient, signer string) {
	return s.recipient.fingerprints[0], s.signer.fingerprints[0]
}

// Seal returns a writer whose content goes to w as one binary OpenPGP message. The message is complete when Close has succeeded; w is not
// closed.
func (s *Sealer) Seal(w io.Writer) (io.WriteCloser, error) {
	recipient, err := s.recipient.open()
	if err != nil {
		return nil, err
	}
	signer, err := s.signer.open()
	if err != nil {
		return nil, err
	}
	handle, err := crypto.PGP().Encryption().Recipients(recipient).SigningKeys(signer).New()
	if err != nil {
		return nil, fmt.Errorf("prepare the encryption: %w", err)
	}
	sealed, err := handle.EncryptingWriter(w, crypto.Bytes)
	if err != nil {
		return nil, fmt.Errorf("begin the encryption: %w", err)
	}
	return sealed, nil
}

// Opener decrypts files and accepts the signatures of one sender only. It is safe for many goroutines.
type Opener struct {
	own, sender ring
}

// NewOpener reads our private keys and the sender's public ones, binary or armored, without a passphrase. Each of ours decrypts, the old ones too; each of
// the sender's that has not ended verifies.
func NewOpener(ownPrivate, senderPublic []byte) (*Opener, error) {
	ours, err := readKeys(ownPrivate, true)
	if err != nil {
		return nil, fmt.Errorf("our key: %w", err)
	}
	theirs, err := readKeys(senderPublic, false)
	if err != nil {
		return nil, fmt.Errorf("the sender's key: %w", err)
	}
	// A key that has ended vouches for nothing, not even for a signature that claims to be older.
	now := time.Now().Unix()
	theirs = slices.DeleteFunc(theirs, func(k *crypto.Key) bool { return !k.CanVerify(now) })
	if len(theirs) == 0 {
		return nil, fmt.Errorf("the sender's key: it is expired, revoked or not valid yet: %w", ErrPGPKey)
	}
	o := &Opener{}
	if o.own, err = keepKeys(ours); err != nil {
		return nil, err
	}
	if o.sender, err = keepKeys(theirs); err != nil {
		return nil, err
	}
	return o, nil
}

// Open returns the content of the message in r. What it reads is proved only when Read answers io.EOF: until then the content may be
// anybody's. A changed message fails with ErrNotOpened, a missing or foreign signature with ErrPGPSigning in place of io.EOF.
func (o *Opener) Open(r io.Reader) (io.Reader, error) {
	own, err := o.own.open()
	if err != nil {
		return nil, err
	}
	sender, err := o.sender.open()
	if err != nil {
		return nil, err
	}
	handle, err := crypto.PGP().Decryption().DecryptionKeys(own).VerificationKeys(sender).New()
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
