package thales

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"platen/hsm/material"
)

func TestKeysComeBackFromUnderEverySchemeAndSlot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slot := Slot{
			Pair:    rapid.SampledFrom([]string{"04-05", "06-07", "14-15", "26-27", "34-35"}).Draw(t, "pair"),
			Variant: rapid.IntRange(0, 9).Draw(t, "variant"),
		}
		scheme := rapid.SampledFrom([]byte("UTXYZ")).Draw(t, "scheme")
		size := 8 * len(partVariants(scheme))
		key := rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "key")
		text, err := slot.Encrypt(scheme, key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := slot.Decrypt(text)
		if err != nil || !bytes.Equal(got, key) {
			t.Fatalf("%v", err)
		}
	})
}

func TestKeysOfAnotherFormAreRefused(t *testing.T) {
	for _, text := range []string{"", "U", "U9B49", "Q9B4934384B19946B040CD702B4D58145", "U9B4934384B19946B040CD702B4D5814Z", "U9B4934384B19946B040CD702B4D5814500"} {
		if _, err := slotCVK.Decrypt(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	for _, slot := range []Slot{{"40-41", 0}, {"14-15", 10}, {"14-15", -1}} {
		if _, err := slot.Decrypt("U9B4934384B19946B040CD702B4D58145"); err == nil {
			t.Errorf("slot %v was found", slot)
		}
	}
	if _, err := slotCVK.Encrypt(schemeDouble, make([]byte, 8)); err == nil {
		t.Error("a single key went under scheme U")
	}
}

const cvkUnderLMK = "U9B4934384B19946B040CD702B4D58145"

func TestFaultsAreAnsweredByTheirCodes(t *testing.T) {
	even, err := slotCVK.Encrypt(schemeDouble, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ request, reply string }{
		"nothing":               {"", codeDisabled},
		"unknown":               {"ZZ", "Z[" + codeDisabled},
		"random PIN":            {"JA12345678901204", "JB" + codeDisabled},
		"no fields":             {"CW", "CX" + codeInput},
		"even parity":           {"CW" + even + "4123456789012345;8701101", "CX" + codeParity},
		"single length":         {"CWZ56FBB74CDEAD69494123456789012345;8701101", "CX" + codeNotPair},
		"no separator":          {"CW" + cvkUnderLMK + "41234567890123458701101", "CX" + codeInput},
		"short PAN":             {"CW" + cvkUnderLMK + "41234;8701101", "CX" + codeInput},
		"too much":              {"CW" + cvkUnderLMK + "4123456789012345;87011011", "CX" + codeInput},
		"PVKI 9":                {"DGU183DF6EA5EDFF7D5C91C8F2BA6451884012345500000253219", "DH" + codeInput},
		"PIN not one":           {"DGU183DF6EA5EDFF7D5C91C8F2BA6451884112345500000253211", "DH" + codePIN},
		"random PIN format":     {"JGBAB32D775A38E4AB0555000002532101234", "JH" + codeFormat},
		"echo of another count": {"B20005PING", "B3" + codeInput},
		"no place of an LMK":    {"BUF200406FBB23A5214DF", "BV" + codeInput},
	} {
		if got := Answer(c.request); got != c.reply {
			t.Errorf("%s: %s, want %s", name, got, c.reply)
		}
	}
}

func TestOffsetsAndPINsGoBothWays(t *testing.T) {
	const pvk = "UE9F05D2F2DB8A8579CA3E806B35E336F"
	const rest = "04550000025321" + "1234567890123456" + "5022654000N2"
	offset := Answer("DE" + pvk + "01357" + rest)
	if !strings.HasPrefix(offset, "DF"+codeWarning) || !strings.HasSuffix(offset, "FFFFFFFF") {
		t.Fatalf("offset: %s", offset)
	}
	if got := Answer("EE" + pvk + offset[4:] + rest); got != "EF"+codeWarning+"01357" {
		t.Errorf("PIN: %s", got)
	}
	if got := Answer("DE" + pvk + "01357" + strings.Replace(rest, "1234567890123456", "0000000000000000", 1)); got != "DF"+codeTable {
		t.Errorf("table of zeros: %s", got)
	}
}

func TestAmericanExpressCodesComeFromRY(t *testing.T) {
	if got := Answer("RY30" + cvkUnderLMK + "3712345678901230000" + "9912"); got != "RZ003"+"612478720552" {
		t.Errorf("version 1: %s", got)
	}
	if got := Answer("RY32" + cvkUnderLMK + "3712345678901230000" + "9912702"); got != "RZ003"+"213345068221" {
		t.Errorf("version 2: %s", got)
	}
}

func TestABlockGoesFromZoneToZone(t *testing.T) {
	first := []byte{0x13, 0x34, 0x57, 0x79, 0x13, 0x34, 0x57, 0x79, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10}
	second := bytes.Repeat([]byte{0x3B}, 16)
	material.SetOddParity(second)
	source, err := slotZPK.Encrypt(schemeDouble, first)
	if err != nil {
		t.Fatal(err)
	}
	target, err := slotZPK.Encrypt(schemeX917, second)
	if err != nil {
		t.Fatal(err)
	}
	sealed := Answer("JG" + source + "01" + "550000025321" + "01357")[4:]
	got := Answer("CC" + source + target + "12" + sealed + "0101" + "550000025321")
	if want := "CD0004" + Answer("JG" + target + "01" + "550000025321" + "01357")[4:] + "01"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := Answer("CC" + source + target + "12" + sealed + "0101" + "550000025322"); got != "CD"+codeBlock {
		t.Errorf("another account: %s", got)
	}
}

func TestCheckValuesAreLongOrShort(t *testing.T) {
	const request = "BU0200406FBB23A5214DF"
	long, short := Answer(request), Answer(request+";001")
	if len(long) != 4+16 || len(short) != 4+6 || !strings.HasPrefix(long, short) {
		t.Errorf("%s and %s", long, short)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"CW" + cvkUnderLMK + "4123456789012345;8701101", "CY" + cvkUnderLMK + "5614123456789012345;8701101", "DGX367930344805B1FAD6146EF4ED7502B3012345500000253211",
		"JGTA5E7D4FE829B0D83C5E7352636C16C7827E197349E34A5CD0112345678901201234", "BU0200406FBB23A5214DF", "B20004PING", "RY30" + cvkUnderLMK + "37123456789012300009912",
		"DE", "EE", "CC", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, command string) {
		if got := Answer(command); len(command) >= 2 && len(got) < 4 {
			t.Errorf("answer %q", got)
		}
		if h, err := ParseKeyBlock(command); err == nil && len(h.MAC) < 8 {
			t.Error("a key block without its MAC")
		}
		if r, ok := ParseReply(command); ok {
			r.Answers(command)
		}
	})
}
