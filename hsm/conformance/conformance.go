// Package conformance is one suite that every hsm.Module passes. It compares what a module answers with what the algorithm packages compute from
// the same test keys, in the clear. Only tests import it.
package conformance

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
)

// Labels of the keys that a module under test holds.
const (
	CVK     card.KeyLabel = "cvk" // for card security codes too: usage C0 is both
	VisaPVK card.KeyLabel = "pvk.visa"
	IBMPVK  card.KeyLabel = "pvk.ibm"
	ZPK     card.KeyLabel = "zpk.t" // for format 0
	ZPKAES  card.KeyLabel = "zpk.a" // for format 4
	Storage card.KeyLabel = "pins"
	ZEK     card.KeyLabel = "zek.t" // for data under TDES
	ZEKAES  card.KeyLabel = "zek.a" // for data under AES
	Data    card.KeyLabel = "data"
)

// Key is a test key: known to everybody, and of no value.
type Key struct {
	Label     card.KeyLabel
	Usage     keyblock.Usage
	Algorithm keyblock.Algorithm
	Clear     string // hexadecimal
}

// Keys are the test keys. A module that has no use for a kind of key leaves it out.
func Keys() []Key {
	return []Key{
		{CVK, keyblock.CVK, keyblock.TDES, "0123456789ABCDEFFEDCBA9876543210"},
		{VisaPVK, keyblock.VisaPVK, keyblock.TDES, "86190176866EC17FB32685ADB6ADA83B"},
		{IBMPVK, keyblock.IBMPVK, keyblock.TDES, "C8199237EA5857BC40EF9DA2B5E96BBF"},
		{ZPK, keyblock.ZPK, keyblock.TDES, "C7152C20BC2C830EA7EC9E8334ABE3FE"},
		{ZPKAES, keyblock.ZPK, keyblock.AES, "C1D0F8FB4958670DBA40AB1F3752EF0D"},
		{Storage, keyblock.PINStorage, keyblock.AES, "2B7E151628AED2A6ABF7158809CF4F3C2B7E151628AED2A6ABF7158809CF4F3D"},
		{ZEK, keyblock.ZEK, keyblock.TDES, "404043434545464649494A4A4C4C4F4F"},
		{ZEKAES, keyblock.ZEK, keyblock.AES, "8E73B0F7DA0E6452C810F32B809079E562F8EAD2522C6B7B"},
		{Data, keyblock.Data, keyblock.AES, "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4"},
	}
}

// Material is the clear key of a label; none for a stranger.
func Material(label card.KeyLabel) []byte {
	for _, k := range Keys() {
		if k.Label == label {
			raw, err := hex.DecodeString(k.Clear)
			if err != nil {
				panic("conformance: a test key is malformed")
			}
			return raw
		}
	}
	return nil
}

// Bench is a module ready to be tested.
type Bench struct {
	Module hsm.Module
	Labels []card.KeyLabel // the keys of Keys that it holds
	Ways   []Way
}

// Way is one by which a key could leave a module's back end.
type Way struct {
	Name   string
	Leaves []card.KeyLabel // those that may leave by it; keys of stored PINs and of data never do
	Ask    func(label card.KeyLabel) error
}

// Run proves that a module keeps the contract of hsm.Module. make makes a new one for each part; what it opens, it closes with t.Cleanup.
func Run(t *testing.T, make func(t *testing.T) Bench) {
	t.Helper()
	for _, part := range []struct {
		name string
		test func(t *testing.T, b Bench)
	}{
		{"ReadyAndKeyVersions", readyAndKeyVersions},
		{"CodesAreThoseOfTheSchemes", codes},
		{"CardSecurityCodes", cscs},
		{"DerivedPINsAreNatural", derivedPINs},
		{"GeneratedPINsHaveTheirLengthAndVary", generatedPINs},
		{"PVVs", pvvs},
		{"Offsets", offsets},
		{"TransferKeepsThePIN", transfer},
		{"ExportedBlocksOpen", export},
		{"ExportIsRepeatable", exportIsRepeatable},
		{"ReceivedBlocks", receivedBlocks},
		{"ImportedPINsAreThoseOfTheBlocks", imported},
		{"FormatsThatOnlyComeIn", incomingFormats},
		{"ChosenPINsThatAreEasyToGuess", weakChoices},
		{"FormatsThatAreNotOffered", otherFormats},
		{"EncryptedDataIsThatOfItsMode", data},
		{"DataThatCannotBeEncrypted", badData},
		{"OneThousandAndNone", manyAndNone},
		{"WrongPAN", wrongPAN},
		{"DamagedPINsGetOneError", damagedPINs},
		{"DamagedBlocksGetOneError", damagedBlocks},
		{"UsageMatrix", usageMatrix},
		{"UnknownKeys", unknownKeys},
		{"SlicesMustPairUp", lengths},
		{"ArgumentsOutOfBounds", bounds},
		{"ACancelledCallStops", cancelled},
		{"ConcurrentCallsDoNotMix", concurrent},
		{"ErrorsCarryNoCardData", silentErrors},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, make(t)) })
	}
}

func ref(label card.KeyLabel) card.KeyRef { return card.KeyRef{Label: label} }

func (b Bench) offers(format hsm.PINFormat) bool { return slices.Contains(b.Module.Formats(), format) }

// zoneKey is the label of the key for a format.
func zoneKey(format hsm.PINFormat) card.KeyLabel {
	if format == hsm.ISO4 {
		return ZPKAES
	}
	return ZPK
}

// pansOf makes n test card numbers of 16 digits that begin with six.
func pansOf(t testing.TB, prefix string, n int) []card.PAN {
	t.Helper()
	out := make([]card.PAN, n)
	for i := range out {
		payload := fmt.Appendf(nil, "%s%09d", prefix, (i+1)*792_187)
		pan, err := card.NewPAN(append(payload, card.CheckDigit(payload)))
		if err != nil {
			t.Fatal(err)
		}
		out[i] = pan
	}
	return out
}

// amexPANs makes n American Express test card numbers.
func amexPANs(t testing.TB, n int) []card.PAN {
	t.Helper()
	out := make([]card.PAN, n)
	for i := range out {
		prefix := []string{"371449", "378282", "378734"}[i%3]
		payload := fmt.Appendf(nil, "%s%08d", prefix, (i+1)*792_187)
		pan, err := card.NewPAN(append(payload, card.CheckDigit(payload)))
		if err != nil {
			t.Fatal(err)
		}
		out[i] = pan
	}
	return out
}

func objects(n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(i) + 1
	}
	return out
}

// scheme makes PINs of a length.
func scheme(length int) hsm.IBM3624 {
	return hsm.IBM3624{DecTable: "3456789012345678", Validation: "1234567890AN", Length: length}
}

// generate draws PINs.
func (b Bench) generate(t testing.TB, length int, pans []card.PAN) []hsm.PIN {
	t.Helper()
	pins := make([]hsm.PIN, len(pans))
	if err := b.Module.GeneratePINs(context.Background(), ref(Storage), length, pans, objects(len(pans)), pins); err != nil {
		t.Fatal(err)
	}
	return pins
}

// derive makes natural PINs, which the suite knows.
func (b Bench) derive(t testing.TB, length int, pans []card.PAN) []hsm.PIN {
	t.Helper()
	pins := make([]hsm.PIN, len(pans))
	if err := b.Module.DerivePINs(context.Background(), ref(Storage), ref(IBMPVK), scheme(length), pans, pins); err != nil {
		t.Fatal(err)
	}
	return pins
}
