package bureau_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/software"
	"platen/personalization"
)

// issuer makes files for a bureau as Platen does, from real cryptography on test keys.
type issuer struct {
	t       testing.TB
	store   *keystore.Store
	module  *software.Module
	product card.Product
	layouts map[formats.Kind]*formats.Layout
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	kbpk := make([]byte, 32)
	kbpk[0] = 7
	store, err := keystore.Create(filepath.Join(t.TempDir(), "keys.json"), card.NewSecret(kbpk), keystore.Test)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		label card.KeyLabel
		usage keystore.Usage
		alg   keystore.Algorithm
	}{
		{"cvk", keyblock.CVK, keyblock.TDES}, {"pvk", keyblock.VisaPVK, keyblock.TDES}, {"pvk-ibm", keyblock.IBMPVK, keyblock.TDES}, {"zpk", keyblock.ZPK, keyblock.AES},
		{"other-cvk", keyblock.CVK, keyblock.TDES}, {"pins", keyblock.PINStorage, keyblock.AES}, {"zek-north", keyblock.ZEK, keyblock.TDES},
	} {
		if err := store.Generate(k.label, k.usage, k.alg, hsm.SeededEntropy("bureau test")); err != nil {
			t.Fatal(err)
		}
	}
	module, err := software.New(store, hsm.SeededEntropy("bureau test"), software.Options{})
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, store: store, module: module, layouts: map[formats.Kind]*formats.Layout{}}
	i.product = card.Product{
		Code: "visa-chip", Design: "BLUE", Scheme: "visa", Technology: card.Chip, ServiceCode: "201", CVV2Order: "MMYY",
		Track1: []string{"pvki", "pvv", "const:00", "cvv", "zeros:6"}, Track2: []string{"pvki", "pvv", "cvv", "psn"},
		PIN:  card.PINPolicy{Method: card.RandomPIN, Length: 4, PVKI: 1, InCardFile: true, Mailer: true},
		Keys: card.ProductKeys{CVK: "cvk", PVK: "pvk"},
	}
	for _, name := range []string{"cards", "mailers", "ack", "status"} {
		i.use(filepath.Join("testdata", name+".yaml"))
	}
	return i
}

// use loads the layout that the issuer writes or reads files of its kind with from now on.
func (i *issuer) use(file string) *formats.Layout {
	i.t.Helper()
	source, err := os.ReadFile(file)
	i.must(err)
	layout, err := formats.Load(file, source)
	i.must(err)
	i.layouts[layout.Kind()] = layout
	return layout
}

func (i *issuer) must(err error) {
	i.t.Helper()
	if err != nil {
		i.t.Fatal(err)
	}
}

func ref(label card.KeyLabel) card.KeyRef { return card.KeyRef{Label: label} }

// pan is a test card number with the prefix of a published test BIN.
func (i *issuer) pan(prefix string, n int) card.PAN {
	i.t.Helper()
	digits := fmt.Appendf([]byte(prefix), "%0*d", 15-len(prefix), n*7919)
	p, err := card.NewPAN(append(digits, card.CheckDigit(digits)))
	i.must(err)
	return p
}

// cards personalizes n cards as records of file 42.
func (i *issuer) cards(n int) []*formats.Record {
	i.t.Helper()
	press, err := personalization.NewPress(i.module, i.product, personalization.Keys{CVK: ref("cvk"), PVK: ref(i.product.Keys.PVK), Storage: ref("pins"), ZPK: ref("zpk"), PINFormat: hsm.ISO4})
	i.must(err)
	pans, objects := make([]card.PAN, n), make([]uint64, n)
	for k := range n {
		pans[k], objects[k] = i.pan("400000", k+1), uint64(k)
	}
	pins, pvvs, offsets := make([]hsm.PIN, n), make([]hsm.PVV, n), make([]hsm.Offset, n)
	i.must(press.MakePINs(i.t.Context(), pans, objects, pins, pvvs, offsets))
	issues := make([]personalization.Issue, n)
	for k := range n {
		issues[k] = personalization.Issue{PAN: pans[k], Expiry: card.Expiry{Year: 2029, Month: 1 + k%12}, Name: "A HOLDER", Surname: "Holder", GivenNames: "A",
			PIN: pins[k], PVV: pvvs[k], HasPVV: i.product.PIN.Method == card.RandomPIN, Offset: offsets[k]}
	}
	sheet := personalization.NewSheet(n)
	i.must(press.Fill(i.t.Context(), issues, sheet))
	records := make([]*formats.Record, n)
	for k := range n {
		r := new(formats.Record)
		yymm := issues[k].Expiry.YYMM()
		r.SetInt(formats.RecordNumber, int64(k)+1)
		r.SetString(formats.RecordUID, fmt.Sprintf("42-%07d", k+1))
		r.Set(formats.CardPAN, pans[k].Reveal())
		r.Set(formats.CardExpiry, yymm[:])
		r.SetString(formats.CardPSN, "00")
		r.SetString(formats.CardServiceCode, i.product.ServiceCode)
		r.SetString(formats.CardName, "A HOLDER")
		r.Set(formats.CardTrack1, sheet.Track1(k))
		r.Set(formats.CardTrack2, sheet.Track2(k))
		r.Set(formats.CardChipTrack2, sheet.ChipTrack2(k))
		r.Set(formats.CardCVV, sheet.CVV(k))
		r.Set(formats.CardCVV2, sheet.CVV2(k))
		r.Set(formats.CardICVV, sheet.ICVV(k))
		r.Set(formats.CardPINBlock, sheet.PINBlock(k))
		records[k] = r
	}
	return records
}

// mailers makes n PIN-mailer records of file 42, bound to references.
func (i *issuer) mailers(n int) []*formats.Record {
	i.t.Helper()
	pans, references, objects, pins := make([]card.PAN, n), make([]card.PAN, n), make([]uint64, n), make([]hsm.PIN, n)
	for k := range n {
		pans[k], references[k], objects[k] = i.pan("400000", k+1), i.pan("9", k+1), uint64(k)
	}
	i.must(i.module.GeneratePINs(i.t.Context(), ref("pins"), 4, pans, objects, pins))
	blocks := card.NewSecrets(n, 16)
	i.must(i.module.ExportPINs(i.t.Context(), ref("pins"), ref("zpk"), hsm.ISO4, pans, pins, references, blocks))
	records := make([]*formats.Record, n)
	for k := range n {
		r := new(formats.Record)
		r.SetInt(formats.RecordNumber, int64(k)+1)
		r.SetString(formats.RecordUID, fmt.Sprintf("42-%07d", k+1))
		r.Set(formats.MailerReference, references[k].Reveal())
		r.Set(formats.MailerPINBlock, blocks.Reveal(k))
		records[k] = r
	}
	return records
}

// head is what file 42 says of itself.
func (i *issuer) head(records int) *formats.Record {
	head := new(formats.Record)
	head.SetInt(formats.FileReference, 42)
	head.SetInt(formats.FileSequence, 1)
	head.SetInt(formats.FileRecords, int64(records))
	head.SetString(formats.FileDate, "20261121")
	head.SetString(formats.FileTime, "053000")
	head.SetString(formats.FileIssuer, "demo")
	head.SetString(formats.FileBureau, "north")
	head.SetString(formats.ProductCode, i.product.Code)
	head.SetString(formats.ProductDesign, i.product.Design)
	return head
}

// file renders records.
func (i *issuer) file(kind formats.Kind, records []*formats.Record) []byte {
	i.t.Helper()
	layout := i.layouts[kind]
	head := i.head(len(records))
	for k, label := range layout.Keys() {
		_, kcv, err := i.module.KeyVersion(i.t.Context(), ref(label))
		i.must(err)
		layout.SetKCV(head, k, kcv)
	}
	var b bytes.Buffer
	w, err := layout.NewWriter(&b, head)
	i.must(err)
	for _, r := range records {
		i.encipher(layout, r)
		i.must(w.Write(r))
	}
	i.must(w.Close())
	return b.Bytes()
}

// encipher does with a record what its layout says.
func (i *issuer) encipher(layout *formats.Layout, r *formats.Record) {
	i.t.Helper()
	for n, c := range layout.Ciphers() {
		data, err := layout.AppendData(nil, n, r)
		i.must(err)
		cell := card.NewSecrets(1, hsm.MaxData)
		cell.Set(0, data)
		i.must(i.module.EncryptData(i.t.Context(), ref(c.Key), c.Mode, cell, cell))
		layout.SetEnciphered(r, n, cell.Reveal(0))
	}
}

func (i *issuer) reader(kind formats.Kind, b []byte) *formats.Reader {
	return i.layouts[kind].NewReader(bytes.NewReader(b))
}
