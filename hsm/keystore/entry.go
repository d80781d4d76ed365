package keystore

import (
	"fmt"
	"slices"
	"time"

	"platen/card"
	"platen/hsm/keyblock"
)

// entry is a key as the file holds it: what may be read, and the block that proves it.
type entry struct {
	Key
	Block string `json:"block"`
}

// Optional blocks of Platen's key blocks. LB, TS and the check values KC and KP are X9.143's; those of digits are proprietary.
const (
	labelBlock       = "LB"
	timeBlock        = "TS"
	checkBlock       = "KC"
	environmentBlock = "20"
	activatesBlock   = "21"
	expiresBlock     = "22"
	retiredBlock     = "23"

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
	k.Created = k.Created.UTC().Truncate(time.Second)
	k.Retired = k.Retired.UTC().Truncate(time.Second)
	k.Period = k.whole()
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
	export := keyblock.NotExportable
	if k.Exportable {
		export = keyblock.Exportable
	}
	h := keyblock.Header{
		Usage: k.Usage, Algorithm: alg, Mode: p.mode, Version: fmt.Sprintf("%02d", k.Version), Exportability: export,
		Optional: []keyblock.Optional{
			{ID: labelBlock, Data: string(k.Label)},
			{ID: environmentBlock, Data: string(k.Environment)},
			{ID: checkBlock, Data: code + k.KCV},
			{ID: timeBlock, Data: k.Created.Format(timeLayout)},
		},
	}
	for _, d := range []struct {
		id string
		at time.Time
	}{{activatesBlock, k.Activates}, {expiresBlock, k.Expires}, {retiredBlock, k.Retired}} {
		if !d.at.IsZero() {
			h.Optional = append(h.Optional, keyblock.Optional{ID: d.id, Data: d.at.Format(timeLayout)})
		}
	}
	return h
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
	if err := checkMaterial(p, header.Algorithm, clearKey); err != nil {
		return err
	}
	kcv, method, err := CheckValue(header.Algorithm, clearKey)
	if err != nil {
		return err
	}
	if kcv != e.KCV || method != e.KCVMethod || e.Algorithm != algorithmName(header.Algorithm) {
		return keyblock.ErrKeyBlock
	}
	if e.Exportable && !p.export {
		return keyblock.ErrKeyBlock
	}
	if _, err := card.NewKeyLabel(string(e.Label)); err != nil {
		return err
	}
	want := e.header(header.Algorithm, p)
	if want.Usage != header.Usage || want.Mode != header.Mode || want.Version != header.Version || want.Exportability != header.Exportability {
		return keyblock.ErrKeyBlock
	}
	// The same blocks and no others: a date that the file leaves out would be a key that lives longer.
	if !slices.Equal(want.Optional, header.Optional) {
		return keyblock.ErrKeyBlock
	}
	return nil
}
