package signature

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"hash"
	"io"
	"net/http"

	"github.com/dunglas/httpsfv"
)

// ErrDigest says that a body is not the one whose digest was given, or that no digest of it can be checked.
var ErrDigest = errors.New("the body does not have the digest that Content-Digest gives")

// Body returns the request's body as a reader that ends with ErrDigest instead of io.EOF when the bytes do not have the digest of the Content-Digest
// field (RFC 9530 section 2: sha-256 or sha-512; every one given must fit). Whoever acts on a body must have read it to its end.
func Body(r *http.Request) (io.ReadCloser, error) {
	given, err := httpsfv.UnmarshalDictionary(r.Header.Values("Content-Digest"))
	if err != nil {
		return nil, ErrDigest
	}
	b := &body{from: r.Body}
	for _, name := range given.Names() {
		member, _ := given.Get(name)
		item, ok := member.(httpsfv.Item)
		if !ok {
			return nil, ErrDigest
		}
		want, ok := item.Value.([]byte)
		if !ok {
			return nil, ErrDigest
		}
		switch name {
		case "sha-256":
			b.add(sha256.New(), want)
		case "sha-512":
			b.add(sha512.New(), want)
		}
	}
	if len(b.sums) == 0 {
		return nil, ErrDigest
	}
	return b, nil
}

type body struct {
	from io.ReadCloser
	sums []hash.Hash
	want [][]byte
	end  error
}

func (b *body) add(h hash.Hash, want []byte) {
	b.sums, b.want = append(b.sums, h), append(b.want, want)
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.end != nil {
		return 0, b.end
	}
	n, err := b.from.Read(p)
	for _, h := range b.sums {
		h.Write(p[:n])
	}
	if errors.Is(err, io.EOF) {
		for i, h := range b.sums {
			if subtle.ConstantTimeCompare(h.Sum(nil), b.want[i]) != 1 {
				err = ErrDigest
			}
		}
	}
	b.end = err
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error { return b.from.Close() }
