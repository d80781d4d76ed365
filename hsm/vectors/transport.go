package vectors

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash"
	"math/big"
	"strings"

	"platen/hsm"
)

func transport() []algorithm {
	const jwk = "jwe jwk_n jwk_e jwk_d"
	return []algorithm{
		{"jwe_rsa_oaep_256_a256gcm", "a compact JWE (RFC 7516): valid: and the text in hexadecimal, or invalid", jwk, jwe256},
		{"jwe_rsa_oaep_sha1_a256gcm_rfc7516_a1", "the text of a compact JWE by RSA-OAEP over SHA-1 (RFC 7516, A.1)", jwk, jweSHA1},
		{"rfc9421_rsa_pss_sha512", "whether an HTTP message signature holds (RFC 9421)", "public_key_spki_b64 signature_base signature_b64", verifyPSS},
		{"rfc9421_ecdsa_p256_sha256", "whether an HTTP message signature holds; it is r and s side by side", "public_key_spki_b64 signature_base signature_b64", verifyECDSA},
		{"rfc9421_ed25519", "an HTTP message signature; a public key that is given must belong to the seed", "seed_hex signature_base public_key_spki_b64?", signEd25519},
		{"rfc9421_hmac_sha256", "an HTTP message signature by shared secret", "secret_b64 signature_base", signHMAC},
		{"rfc9530_content_digest", "the digest of a message body (RFC 9530)", "alg body", contentDigest},
	}
}

// errJWE is one error for everything that is wrong with a JWE.
var errJWE = errors.New("JWE does not open")

func jwe256(in *inputs) (any, error) {
	text, err := openJWE(in, "RSA-OAEP-256", sha256.New())
	if errors.Is(err, errJWE) {
		return "invalid", nil
	}
	return "valid:" + upper(text), err
}

func jweSHA1(in *inputs) (any, error) {
	text, err := openJWE(in, "RSA-OAEP", sha1.New())
	return string(text), err
}

// openJWE opens a compact JWE whose key is wrapped by RSA-OAEP with h and whose content is under AES-256-GCM.
func openJWE(in *inputs, algorithm string, h hash.Hash) ([]byte, error) {
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).SetBytes(in.url("jwk_n")), E: int(new(big.Int).SetBytes(in.url("jwk_e")).Int64())},
		D:         new(big.Int).SetBytes(in.url("jwk_d")),
	}
	parts := strings.Split(in.text("jwe"), ".")
	if in.err != nil {
		return nil, in.err
	}
	const most = 8192 / 8
	if n := len(key.N.Bytes()); n < 1024/8 || n > most || len(key.D.Bytes()) > n || key.E < 3 {
		return nil, &hsm.InputError{Field: "key", Reason: "must be an RSA key of 1024 to 8192 bits"}
	}
	if len(parts) != 5 {
		return nil, errJWE
	}
	var raw [5][]byte
	for i, part := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return nil, errJWE
		}
	}
	var head struct {
		Alg, Enc, Zip string
		Crit          []string
	}
	if json.Unmarshal(raw[0], &head) != nil || head.Alg != algorithm || head.Enc != "A256GCM" || head.Zip != "" || head.Crit != nil {
		return nil, errJWE
	}
	contentKey, err := rsa.DecryptOAEP(h, nil, key, raw[1], nil)
	if err != nil || len(contentKey) != 32 || len(raw[2]) != 12 || len(raw[4]) != aes.BlockSize {
		return nil, errJWE
	}
	block, err := aes.NewCipher(contentKey)
	if err != nil {
		return nil, errJWE
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, errJWE
	}
	text, err := gcm.Open(nil, raw[2], append(raw[3], raw[4]...), []byte(parts[0]))
	if err != nil {
		return nil, errJWE
	}
	return text, nil
}

// publicKeyOf reads a key in the form of X.509.
func publicKeyOf(in *inputs) any {
	key, err := x509.ParsePKIXPublicKey(in.base64("public_key_spki_b64"))
	if err != nil {
		in.fail("public_key_spki_b64", "must be a public key")
		return nil
	}
	return key
}

// pssSalt is the length of the salt of rsa-pss-sha512 (RFC 9421, 3.3.1).
const pssSalt = 64

func verifyPSS(in *inputs) (any, error) {
	key, ok := publicKeyOf(in).(*rsa.PublicKey)
	base, signature := in.text("signature_base"), in.base64("signature_b64")
	if !ok {
		in.fail("public_key_spki_b64", "must be an RSA key")
		return nil, in.err
	}
	digest := sha512.Sum512([]byte(base))
	return rsa.VerifyPSS(key, crypto.SHA512, digest[:], signature, &rsa.PSSOptions{SaltLength: pssSalt}) == nil, nil
}

func verifyECDSA(in *inputs) (any, error) {
	key, ok := publicKeyOf(in).(*ecdsa.PublicKey)
	base, signature := in.text("signature_base"), in.base64("signature_b64")
	if !ok || key.Curve != elliptic.P256() {
		in.fail("public_key_spki_b64", "must be a key on curve P-256")
		return nil, in.err
	}
	// The two numbers stand side by side (RFC 9421, 3.3.4).
	const half = 32
	if len(signature) != 2*half {
		return false, nil
	}
	digest := sha256.Sum256([]byte(base))
	return ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])), nil
}

func signEd25519(in *inputs) (any, error) {
	var seed [ed25519.SeedSize]byte
	in.fixed("seed_hex", seed[:])
	key := ed25519.NewKeyFromSeed(seed[:])
	if in.has("public_key_spki_b64") {
		given, ok := publicKeyOf(in).(ed25519.PublicKey)
		if !ok || !bytes.Equal(given, key[ed25519.SeedSize:]) {
			return nil, errors.New("the public key does not belong to the seed")
		}
	}
	return base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(in.text("signature_base")))), nil
}

func signHMAC(in *inputs) (any, error) {
	h := hmac.New(sha256.New, in.base64("secret_b64"))
	h.Write([]byte(in.text("signature_base")))
	return base64.StdEncoding.EncodeToString(h.Sum(nil)), nil
}

func contentDigest(in *inputs) (any, error) {
	body := []byte(in.text("body"))
	switch in.text("alg") {
	case "sha-512":
		sum := sha512.Sum512(body)
		return base64.StdEncoding.EncodeToString(sum[:]), nil
	case "sha-256":
		sum := sha256.Sum256(body)
		return base64.StdEncoding.EncodeToString(sum[:]), nil
	}
	return nil, &hsm.InputError{Field: "alg", Reason: "must be sha-512 or sha-256"}
}
