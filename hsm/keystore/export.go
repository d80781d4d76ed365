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
	keys, err := s.rewrapped(labels, kbpk, nil)
	if err != nil {
		return err
	}
	b, err := encode(document{Format: fileFormat, Environment: s.Environment(), Keys: keys})
	if err != nil {
		return err
	}
	if err := createFile(path, b); err != nil {
		return fmt.Errorf("export keys: %w", err)
	}
	return nil
}

// Supply puts every version of the named keys that another keystore of the same environment lacks into it, under its KBPK, and tells how many that
// were. What it has stays as it is; another key under the same label and version fails with ErrExists. It fails with ErrExport for keys that may not
// leave, and after a failure nothing is changed.
func (s *Store) Supply(labels []string, to *Store) (int, error) {
	to.mu.Lock()
	defer to.mu.Unlock()
	if to.doc.Environment != s.Environment() {
		return 0, fmt.Errorf("supply keys: %w", &FieldError{"environment", ErrEnvironment})
	}
	keys, err := s.rewrapped(labels, to.kbpk, to)
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	next := to.doc
	next.Keys = append(slices.Clone(to.doc.Keys), keys...)
	return len(keys), to.save(next)
}

// rewrapped are the entries of the named keys under another KBPK, without those that a keystore has.
func (s *Store) rewrapped(labels []string, kbpk card.Secret, without *Store) ([]entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := []entry{}
	for _, label := range labels {
		if _, err := s.find(card.KeyRef{Label: card.KeyLabel(label)}); err != nil {
			return nil, fmt.Errorf("export: %w", err)
		}
	}
	for _, e := range s.doc.Keys {
		if !slices.Contains(labels, string(e.Label)) {
			continue
		}
		if without != nil {
			if had, err := without.find(e.Ref()); err == nil {
				if had.KCV != e.KCV {
					return nil, fmt.Errorf("export key %s: the other keystore has another of check value %s: %w", e.Ref(), had.KCV, ErrExists)
				}
				continue
			}
		}
		again, err := s.rewrap(e, kbpk.Reveal())
		if err != nil {
			return nil, fmt.Errorf("export: %w", err)
		}
		out = append(out, again)
	}
	return out, nil
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
