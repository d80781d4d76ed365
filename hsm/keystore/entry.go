package keystore

import (
	"fmt"
	"time"

	"platen/card"
	"platen/hsm/keyblock"
)

// entry is a key as the file holds it: what may be read, and the block that proves it.
type entry struct {
	Key
	Block string `json:"block"`
}

// Optional blocks of Platen's key blocks. LB, TS and the check values KC and KP are X9.143's; 20 is proprietary.
const (
	labelBlock       = "LB"
	timeBlock        = "TS"
	checkBlock       = "KC"
	environmentBlock = "20"

	timeLayout = "20060102150405Z"
)

// Codes that lead a KC block: which method made the check value (X9.143).
var checkCodes = [...]struct{ code, method string }{{"00", ZerosTDES}, {"01", CMACAES}}

// wrap makes the entry of a clear key.
func wrap(kbpk []byte, k Key, alg Algorithm, p profile, clearKey []byte, pad func([]byte) error) (entry, error) {
	kcv, method, err := CheckValue(alg, clearKey)
	if err != nil {
		return entry{}, fmt.Errorf("key %s: %w", k.Ref(), err)
	}
	k.KCV, k.KCVMethod, k.Algorithm = kcv, method, algorithmName(alg)
	k.Exportable = p.export == keyblock.Exportable
	k.Created = k.Created.UTC().Truncate(time.Second)
	block, err := keyblock.Wrap(kbpk, k.header(alg, p), clearKey, pad)
	if err != nil {
		return entry{}, fmt.Errorf("key %s: %w", k.Ref(), err)
	}
	return entry{Key: k, Block: block}, nil
}

func (k Key) header(alg Algorithm, p profile) keyblock.Header {
	code := ""
	for _, c := range checkCodes {
		if c.method == k.KCVMethod {
			code = c.code
		}
	}
	return keyblock.Header{
		Usage: k.Usage, Algorithm: alg, Mode: p.mode, Version: fmt.Sprintf("%02d", k.Version), Exportability: p.export,
		Optional: []keyblock.Optional{
			{ID: labelBlock, Data: string(k.Label)},
			{ID: environmentBlock, Data: string(k.Environment)},
			{ID: checkBlock, Data: code + k.KCV},
			{ID: timeBlock, Data: k.Created.Format(timeLayout)},
		},
	}
}

// open unwraps an entry and proves that everything the file says of the key is what its block says. The caller wipes the key.
func (e entry) open(kbpk []byte) (Algorithm, []byte, error) {
	header, clearKey, err := keyblock.Unwrap(kbpk, e.Block)
	if err != nil {
		return 0, nil, fmt.Errorf("key %s: %w", e.Ref(), err)
	}
	if err := e.prove(header, clearKey); err != nil {
		clear(clearKey)
		return 0, nil, fmt.Errorf("key %s: %w", e.Ref(), err)
	}
	return header.Algorithm, clearKey, nil
}

func (e entry) prove(header keyblock.Header, clearKey []byte) error {
	p, err := checkPairing(header.Usage, header.Algorithm)
	if err != nil {
		return err
	}
	if err := checkMaterial(header.Algorithm, clearKey); err != nil {
		return err
	}
	kcv, method, err := CheckValue(header.Algorithm, clearKey)
	if err != nil {
		return err
	}
	if kcv != e.KCV || method != e.KCVMethod || e.Algorithm != algorithmName(header.Algorithm) {
		return keyblock.ErrKeyBlock
	}
	if e.Exportable != (header.Exportability == keyblock.Exportable) {
		return keyblock.ErrKeyBlock
	}
	if _, err := card.NewKeyLabel(string(e.Label)); err != nil {
		return err
	}
	want := e.header(header.Algorithm, p)
	if want.Usage != header.Usage || want.Mode != header.Mode || want.Version != header.Version || want.Exportability != header.Exportability {
		return keyblock.ErrKeyBlock
	}
	for _, o := range want.Optional {
		if data, ok := header.Find(o.ID); !ok || data != o.Data {
			return keyblock.ErrKeyBlock
		}
	}
	return nil
}
