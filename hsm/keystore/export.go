package keystore

import (
	"fmt"
	"slices"

	"platen/card"
	"platen/hsm"
)

// Export writes a second keystore at path, which must not exist, with every version of the named keys under another KBPK. It fails with
// ErrExport for keys that may not leave, and then writes nothing.
func (s *Store) Export(labels []string, path string, kbpk card.Secret) error {
	if err := checkKBPK(kbpk.Reveal()); err != nil {
		return fmt.Errorf("export keys: %w", err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := document{Format: fileFormat, Environment: s.doc.Environment, Keys: []entry{}}
	for _, label := range labels {
		if _, err := s.find(card.KeyRef{Label: card.KeyLabel(label)}); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	for _, e := range s.doc.Keys {
		if !slices.Contains(labels, string(e.Label)) {
			continue
		}
		again, err := s.rewrap(e, kbpk.Reveal())
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		out.Keys = append(out.Keys, again)
	}
	b, err := encode(out)
	if err != nil {
		return err
	}
	if err := createFile(path, b); err != nil {
		return fmt.Errorf("export keys: %w", err)
	}
	return nil
}

func (s *Store) rewrap(e entry, kbpk []byte) (entry, error) {
	if !e.Exportable {
		return entry{}, fmt.Errorf("key %s: %w", e.Ref(), ErrExport)
	}
	alg, clearKey, err := e.open(s.kbpk.Reveal())
	if err != nil {
		return entry{}, err
	}
	defer clear(clearKey)
	p, err := checkPairing(e.Usage, alg)
	if err != nil {
		return entry{}, err
	}
	pad := func(buf []byte) error { return hsm.SystemEntropy().Draw("export pad", 0, buf) }
	return wrap(kbpk, e.Key, alg, p, clearKey, pad)
}
