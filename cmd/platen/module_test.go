package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"platen/card"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/payshield"
	"platen/hsm/payshield/mock"
	"platen/hsm/thales"
)

// moduleSize is how much a demonstration with another module carries.
var moduleSize = sizes{mass: 120, bulk: 80, actions: 25}

const moduleSeed = "modules"

// modulePress makes a directory whose bureaus take PIN blocks of format 0, which every module makes, and whose keys exist. American Express cards are among
// those that are ordered.
func modulePress(t *testing.T) string {
	t.Helper()
	dir := prepare(t, moduleSize)
	withAmex(t, dir, 12)
	north := filepath.Join(dir, "programs", "bureaus", "north.yaml")
	body := string(read(t, north))
	put(t, north, []byte(strings.Replace(body, "pin_format: 4", "pin_format: 0", 1)))
	platen(t, "init", dir, "--seed", moduleSeed)
	platen(t, "db", "migrate", config(dir))
	return dir
}

// configure adds lines to the configuration of a directory.
func configure(t *testing.T, dir, lines string) {
	t.Helper()
	path := filepath.Join(dir, "platen.yaml")
	put(t, path, append(read(t, path), lines...))
}

// usePayShield makes a directory work with the payShield at an address: a ZMK that both share, a transfer key, and the choice of the module.
func usePayShield(t *testing.T, dir, address string) {
	t.Helper()
	platen(t, "keys", "generate", "zmk", "--usage", "K0", "--algorithm", "tdes", config(dir))
	platen(t, "keys", "generate", "zpk-transfer", "--usage", "P0", "--algorithm", "tdes", config(dir))
	kbpk, err := keystore.LoadKBPK("file:" + filepath.Join(dir, "keys", "kbpk.hex"))
	must(t, err)
	store, err := keystore.Open(filepath.Join(dir, "keys", "keystore.json"), kbpk)
	must(t, err)
	var underLMK string
	// The custodians enter the same components at the module's console, which answers with the ZMK under the LMK.
	must(t, store.Use(card.KeyRef{Label: "zmk"}, keyblock.KEK, keyblock.TDES, func(clearKey []byte) (err error) {
		underLMK, err = thales.Slot{Pair: "04-05"}.Encrypt('U', clearKey)
		return err
	}))
	must(t, payshield.WriteKeys(filepath.Join(dir, "keys", "payshield.json"), []payshield.Key{{Label: "zmk", Usage: keyblock.KEK, Value: underLMK}}))
	configure(t, dir, fmt.Sprintf("module:\n  kind: payshield\npayshield:\n  addresses: %s\n  transfer: zpk-transfer\n  timeout: 20s\n", address))
}

// softwareNight is the demonstration with the software module, to which others are compared.
func softwareNight(t *testing.T) (demoResult, []taken) {
	t.Helper()
	dir := modulePress(t)
	r, _ := demo(t, dir, "--seed", moduleSeed, "--cards", fmt.Sprint(moduleSize.mass))
	return r, proveTaken(t, dir, r)
}

// withoutPINs is what files say of cards that does not depend on a drawn PIN: number, expiry, sequence, printed codes.
func withoutPINs(files []taken) []string {
	var all []string
	for _, f := range files {
		for _, p := range f.records {
			all = append(all, strings.Join([]string{f.name, p.uid, p.pan, p.psn, p.expiry, strings.Join(p.codes, "/")}, " "))
		}
	}
	slices.Sort(all)
	return all
}

// The same night with a payShield: only its random PINs differ, and so what is computed of them.
func TestTheDemonstrationWithAPayShieldHasTheSameBooks(t *testing.T) {
	t.Parallel()
	want, files := softwareNight(t)
	server := mock.Start(t, mock.Options{})
	dir := modulePress(t)
	usePayShield(t, dir, server.Address())
	got, told := demo(t, dir, "--seed", moduleSeed, "--cards", fmt.Sprint(moduleSize.mass))
	if diff := cmp.Diff(want.Books, got.Books); diff != "" {
		t.Errorf("books of software (-) and payShield (+):\n%s", diff)
	}
	if diff := cmp.Diff(withoutPINs(files), withoutPINs(proveTaken(t, dir, got))); diff != "" {
		t.Errorf("cards of software (-) and payShield (+):\n%s", diff)
	}
	if server.Commands() < uint64(got.Cards) || !strings.Contains(told, "payshield") {
		t.Errorf("%d commands for %d cards; it tells:\n%s", server.Commands(), got.Cards, told)
	}
	var said struct {
		Taken []string `json:"taken"`
		Had   int      `json:"had"`
	}
	must(t, json.Unmarshal([]byte(platen(t, "keys", "provision", "--json", config(dir))), &said))
	if len(said.Taken) != 0 || said.Had < 5 {
		t.Errorf("a second time: %d keys put in, %d were there", len(said.Taken), said.Had)
	}
	t.Run("every file is rendered again", func(t *testing.T) { replayAll(t, dir, got) })
}

// A module that goes away in the middle of a night stops the files, loses no card and makes none twice; when it is back, all goes on by itself.
func TestAModuleThatIsAwayDelaysTheNightAndLosesNothing(t *testing.T) {
	t.Parallel()
	server := mock.Start(t, mock.Options{})
	address := server.Address()
	dir := modulePress(t)
	usePayShield(t, dir, address)
	platen(t, "keys", "provision", config(dir))
	platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"))
	simulateBureaus(t, dir, "--reject", "0", "--spoil", "0")
	server.Stop()
	gone := server.Commands()
	server = mock.Start(t, mock.Options{Address: address, Behave: func(n uint64) mock.Behaviour {
		if n > 150 {
			return mock.HungUp // in the middle of the first file
		}
		return mock.Honest
	}})
	s := serve(t, dir, "--no-schedules")
	orders := moduleSize.orders(t)
	s.order("MASS", orders[massFile])
	s.order("BULK", orders[bulkFile])
	// Planning needs the keys' check values, which the module still tells.
	platen(t, "run", "--cycle", "nightly", config(dir))
	until(t, "the loss of the module", func() bool { return server.Commands() > 150 })
	server.Stop()
	if o := run(t, "books", "--json", config(dir)); loose[books](t, o.stdout).Balanced {
		t.Error("the books balance without a module")
	}
	server = mock.Start(t, mock.Options{Address: address})
	until(t, "the balance of all files", func() bool { return balanced(filesOf(t, dir, "north")) && balanced(filesOf(t, dir, "south")) })
	if server.Commands() == 0 || gone == 0 {
		t.Error("the module was not asked")
	}
	b := loose[books](t, platen(t, "books", "--json", config(dir)))
	if !b.Balanced || b.Produced != b.Requested || b.Requested == 0 {
		t.Errorf("the books say %+v", b)
	}
	proveOnce(t, dir, b)
}

// proveOnce compares the cards that the bureaus took with the books: each once, and none missing.
func proveOnce(t *testing.T, dir string, b books) {
	t.Helper()
	seen := map[string]bool{}
	for _, p := range cardRecords(takenFiles(t, dir)) {
		if seen[p.pan] {
			t.Errorf("record %s repeats a card", p.uid)
		}
		seen[p.pan] = true
	}
	if int64(len(seen)) != b.Produced {
		t.Errorf("%d cards were printed, %d produced", len(seen), b.Produced)
	}
}

// A payShield draws the fill of a format 4 block itself, so no file with it could be made twice alike.
func TestABureauWhosePINBlocksTheModuleCannotRepeatIsRefusedAtApply(t *testing.T) {
	t.Parallel()
	dir := modulePress(t)
	usePayShield(t, dir, mock.Start(t, mock.Options{}).Address())
	platen(t, "keys", "provision", config(dir))
	apply := []string{"apply", config(dir), "-f", filepath.Join(dir, "programs")}
	north := filepath.Join(dir, "programs", "bureaus", "north.yaml")
	plain := string(read(t, north))
	put(t, north, []byte(strings.Replace(plain, "pin_format: 0", "pin_format: 4", 1)))
	if o := run(t, apply...); o.code == 0 || !strings.Contains(o.stderr, "bureau north: pin_format 4: the security module has only [0]") {
		t.Errorf("format 4: exit code %d, %s", o.code, o.stderr)
	}
	put(t, north, []byte(plain))
	platen(t, apply...)
}

func TestAnImpossibleModuleStopsTheStartWithALine(t *testing.T) {
	t.Parallel()
	dir := modulePress(t)
	path := filepath.Join(dir, "platen.yaml")
	plain := string(read(t, path))
	for name, c := range map[string]struct{ lines, want string }{
		"kind":        {"module:\n  kind: cloud\n", "module.kind: must be software, payshield or pkcs11"},
		"no address":  {"module:\n  kind: payshield\n", "payshield.addresses: is missing"},
		"bad address": {"module:\n  kind: payshield\npayshield:\n  addresses: somewhere\n", "payshield.addresses: must be HOST:PORT"},
		"no library":  {"module:\n  kind: pkcs11\npkcs11:\n  pin: env:HOME\n", "pkcs11.library: is missing"},
		"no PIN":      {"module:\n  kind: pkcs11\npkcs11:\n  library: x.so\n", "pkcs11.pin: must be file:PATH or env:NAME"},
		"real BINs":   {"module:\n  kind: payshield\n  allow_real_bins: true\npayshield:\n  addresses: h:1\n", "module.allow_real_bins: is for the software module"},
	} {
		must(t, os.WriteFile(path, []byte(plain+c.lines), 0o600))
		if o := run(t, "keys", "list", config(dir)); o.code == 0 || !strings.Contains(o.stderr, c.want) {
			t.Errorf("%s: exit code %d, %s", name, o.code, o.stderr)
		}
	}
	must(t, os.WriteFile(path, []byte(plain), 0o600))
	if o := run(t, "keys", "provision", config(dir)); o.code == 0 || !strings.Contains(o.stderr, "nothing to provision") {
		t.Errorf("software: exit code %d, %s", o.code, o.stderr)
	}
}
