package bureau

import (
	"fmt"
	"os"
	"path/filepath"

	"platen/card"
	"platen/delivery"
	"platen/hsm"
	"platen/hsm/keystore"
	"platen/hsm/software"
	"platen/programs"
)

// Side reads what a bureau has of its own from its directory, as `platen init` makes it: host key, who may log in, OpenPGP key, keystore. sender is the issuer's
// public key. The files that come and go lie under root in the directory. Dice, clock and log are the caller's to set.
func Side(dir string, sender []byte, set *programs.Set, b programs.Bureau) (Config, error) {
	parts := map[string][]byte{"host_key": nil, "authorized_keys": nil, "pgp.asc": nil}
	for name := range parts {
		body, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return Config{}, fmt.Errorf("read the bureau's side (platen init makes it): %w", err)
		}
		parts[name] = body
	}
	opener, err := delivery.NewOpener(parts["pgp.asc"], sender)
	if err != nil {
		return Config{}, err
	}
	var sealer *delivery.Sealer
	if b.PGP.SealedReturns {
		if sealer, err = delivery.NewSealer(sender, parts["pgp.asc"]); err != nil {
			return Config{}, err
		}
	}
	kbpk, err := keystore.LoadKBPK("file:" + filepath.Join(dir, "kbpk.hex"))
	if err != nil {
		return Config{}, err
	}
	keys, err := keystore.Open(filepath.Join(dir, "keystore.json"), kbpk)
	if err != nil {
		return Config{}, err
	}
	module, err := software.New(keys, hsm.SystemEntropy(), software.Options{})
	if err != nil {
		return Config{}, err
	}
	products := map[string]card.Product{}
	for _, p := range set.Products {
		products[p.Code] = p
	}
	return Config{Listen: b.SFTP.Address, HostKey: parts["host_key"], AuthorizedKeys: parts["authorized_keys"], Root: filepath.Join(dir, "root"),
		Opener: opener, Sealer: sealer, Layouts: set.Layouts, Bureau: b, Products: products, Module: module}, nil
}
