package conformance

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"platen/card"
	"platen/hsm"
)

// operation is one of a module's with the keys it takes when all is right.
type operation struct {
	name string
	keys []card.KeyLabel
	run  func(ctx context.Context, keys []card.KeyRef) error
}

// operations are all that the module offers, on cards with PINs of five digits.
func (b Bench) operations(t testing.TB, pans []card.PAN, pins []hsm.PIN) []operation {
	t.Helper()
	m, n := b.Module, len(pans)
	out := []operation{
		{"codes", []card.KeyLabel{CVK}, func(ctx context.Context, k []card.KeyRef) error {
			in := make([]hsm.CodeRequest, n)
			for i, pan := range pans {
				in[i] = hsm.CodeRequest{PAN: pan, Expiry: card.Expiry{Year: 2030, Month: 1}, ServiceCode: [3]byte{'2', '0', '1'}}
			}
			return m.Codes(ctx, k[0], in, card.NewSecrets(n, 3))
		}},
		{"card security codes", []card.KeyLabel{CVK}, func(ctx context.Context, k []card.KeyRef) error {
			expiries := make([]card.Expiry, n)
			for i := range expiries {
				expiries[i] = card.Expiry{Year: 2030, Month: 1}
			}
			return m.CSCs(ctx, k[0], amexPANs(t, n), expiries, card.NewSecrets(n, 12))
		}},
		{"generate PINs", []card.KeyLabel{Storage}, func(ctx context.Context, k []card.KeyRef) error {
			return m.GeneratePINs(ctx, k[0], 4, pans, objects(n), make([]hsm.PIN, n))
		}},
		{"derive PINs", []card.KeyLabel{Storage, IBMPVK}, func(ctx context.Context, k []card.KeyRef) error {
			return m.DerivePINs(ctx, k[0], k[1], scheme(5), pans, make([]hsm.PIN, n))
		}},
		{"PVVs", []card.KeyLabel{Storage, VisaPVK}, func(ctx context.Context, k []card.KeyRef) error {
			return m.PVVs(ctx, k[0], k[1], 1, pans, pins, make([]hsm.PVV, n))
		}},
		{"offsets", []card.KeyLabel{Storage, IBMPVK}, func(ctx context.Context, k []card.KeyRef) error {
			return m.Offsets(ctx, k[0], k[1], scheme(5), pans, pins, make([]hsm.Offset, n))
		}},
		{"transfer PINs", []card.KeyLabel{Storage}, func(ctx context.Context, k []card.KeyRef) error {
			return m.TransferPINs(ctx, k[0], pans, pins, pansOf(t, "411111", n), make([]hsm.PIN, n))
		}},
	}
	for _, format := range b.Module.Formats() {
		blocks := card.NewSecrets(n, 16)
		for i, pan := range pans {
			blocks.Set(i, Block(t, format, pan, Natural(t, scheme(5), pan)))
		}
		out = append(out,
			operation{"export PINs", []card.KeyLabel{Storage, zoneKey(format)}, func(ctx context.Context, k []card.KeyRef) error {
				return m.ExportPINs(ctx, k[0], k[1], format, pans, pins, pans, card.NewSecrets(n, 16))
			}},
			operation{"PVVs of blocks", []card.KeyLabel{zoneKey(format), VisaPVK}, func(ctx context.Context, k []card.KeyRef) error {
				return m.BlockPVVs(ctx, k[0], format, pans, blocks, k[1], 1, make([]hsm.PVV, n))
			}},
			operation{"check blocks", []card.KeyLabel{zoneKey(format)}, func(ctx context.Context, k []card.KeyRef) error {
				return m.CheckBlocks(ctx, k[0], format, pans, blocks, 5)
			}},
			operation{"import PINs", []card.KeyLabel{zoneKey(format), Storage}, func(ctx context.Context, k []card.KeyRef) error {
				return m.ImportPINs(ctx, k[0], format, hsm.PresentedPIN, 5, pans, blocks, k[1], make([]hsm.PIN, n))
			}})
	}
	for _, mode := range m.DataModes() {
		values := card.NewSecrets(n, 16)
		for i := range n {
			values.Set(i, make([]byte, 16))
		}
		out = append(out,
			operation{"encrypt data", []card.KeyLabel{dataKey(mode)}, func(ctx context.Context, k []card.KeyRef) error {
				return m.EncryptData(ctx, k[0], mode, values, card.NewSecrets(n, 16))
			}},
			operation{"decrypt data", []card.KeyLabel{dataKey(mode)}, func(ctx context.Context, k []card.KeyRef) error {
				return m.DecryptData(ctx, k[0], mode, values, card.NewSecrets(n, 16))
			}})
	}
	return out
}

func (o operation) refs() []card.KeyRef {
	out := make([]card.KeyRef, len(o.keys))
	for i, label := range o.keys {
		out[i] = ref(label)
	}
	return out
}

// usageMatrix replaces each key of each operation by every other key that the module holds, and all must be refused. Then each key is asked to leave.
func usageMatrix(t *testing.T, b Bench) {
	pans := pansOf(t, "400000", 2)
	for _, op := range b.operations(t, pans, b.derive(t, 5, pans)) {
		if err := op.run(context.Background(), op.refs()); err != nil {
			t.Errorf("%s with its own keys: %v", op.name, err)
		}
		for i, own := range op.keys {
			for _, label := range b.Labels {
				wrong := op.refs()
				wrong[i] = ref(label)
				if err := op.run(context.Background(), wrong); label != own && !errors.Is(err, hsm.ErrKeyUsage) {
					t.Errorf("%s with %s for %s: %v", op.name, label, own, err)
				}
			}
		}
	}
	b.exportability(t)
}

func (b Bench) exportability(t *testing.T) {
	t.Helper()
	if len(b.Ways) == 0 {
		t.Error("no way is named by which a key could leave")
	}
	for _, way := range b.Ways {
		for _, label := range b.Labels {
			may := slices.Contains(way.Leaves, label) && label != Storage && label != Data
			if err := way.Ask(label); (err == nil) != may {
				t.Errorf("%s: %s may leave: %v; %v", way.Name, label, may, err)
			}
		}
	}
}

func unknownKeys(t *testing.T, b Bench) {
	pans := pansOf(t, "400000", 2)
	for _, op := range b.operations(t, pans, b.derive(t, 5, pans)) {
		for i, own := range op.keys {
			for _, stranger := range []card.KeyRef{ref("none"), {Label: own, Version: 99}} {
				wrong := op.refs()
				wrong[i] = stranger
				if err := op.run(context.Background(), wrong); !errors.Is(err, hsm.ErrUnknownKey) {
					t.Errorf("%s with %s: %v", op.name, stranger, err)
				}
			}
		}
	}
	if _, _, err := b.Module.KeyVersion(context.Background(), ref("none")); !errors.Is(err, hsm.ErrUnknownKey) {
		t.Errorf("version of an unknown key: %v", err)
	}
}

func otherFormats(t *testing.T, b Bench) {
	ctx := context.Background()
	pans := pansOf(t, "400000", 1)
	pins := b.derive(t, 5, pans)
	for format := range hsm.PINFormat(6) {
		if b.offers(format) {
			continue
		}
		zpk := ref(zoneKey(format))
		if b.Module.ExportPINs(ctx, ref(Storage), zpk, format, pans, pins, pans, card.NewSecrets(1, 16)) == nil {
			t.Errorf("exported as format %d", format)
		}
		if slices.Contains(b.Module.IncomingFormats(), format) {
			continue
		}
		if b.Module.CheckBlocks(ctx, zpk, format, pans, card.NewSecrets(1, 16), 5) == nil {
			t.Errorf("opened format %d", format)
		}
		if b.Module.ImportPINs(ctx, zpk, format, hsm.PresentedPIN, 5, pans, card.NewSecrets(1, 16), ref(Storage), make([]hsm.PIN, 1)) == nil {
			t.Errorf("imported format %d", format)
		}
	}
}

func wrongPAN(t *testing.T, b Bench) {
	ctx := context.Background()
	pans, others := pansOf(t, "400000", 20), pansOf(t, "424242", 20)
	pins := b.derive(t, 12, pans)
	for name, err := range map[string]error{
		"PVVs":     b.Module.PVVs(ctx, ref(Storage), ref(VisaPVK), 1, others, pins, make([]hsm.PVV, 20)),
		"offsets":  b.Module.Offsets(ctx, ref(Storage), ref(IBMPVK), scheme(12), others, pins, make([]hsm.Offset, 20)),
		"transfer": b.Module.TransferPINs(ctx, ref(Storage), others, pins, pans, make([]hsm.PIN, 20)),
		"export":   b.Module.ExportPINs(ctx, ref(Storage), ref(ZPK), hsm.ISO0, others, pins, others, card.NewSecrets(20, 8)),
	} {
		if !errors.Is(err, hsm.ErrPINBlock) {
			t.Errorf("%s of another card's PIN: %v", name, err)
		}
	}
	for _, format := range b.Module.Formats() {
		blocks := card.NewSecrets(20, 16)
		for i, pan := range pans {
			blocks.Set(i, Block(t, format, pan, Natural(t, scheme(12), pan)))
		}
		if err := b.Module.CheckBlocks(ctx, ref(zoneKey(format)), format, others, blocks, 12); !errors.Is(err, hsm.ErrPINBlock) {
			t.Errorf("format %d: blocks opened for other accounts: %v", format, err)
		}
		if err := b.Module.ImportPINs(ctx, ref(zoneKey(format)), format, hsm.PresentedPIN, 12, others, blocks, ref(Storage), make([]hsm.PIN, 20)); !errors.Is(err, hsm.ErrPINBlock) {
			t.Errorf("format %d: blocks imported for other accounts: %v", format, err)
		}
	}
}

func damagedPINs(t *testing.T, b Bench) {
	ctx := context.Background()
	pans := pansOf(t, "400000", 1)
	stored := b.generate(t, 12, pans)[0]
	good := stored.Bytes()
	damaged := [][]byte{nil, good[:1], good[:len(good)-1], append(bytes.Clone(good), '0')}
	for _, at := range []int{0, 3, len(good) - 1} {
		changed := bytes.Clone(good)
		changed[at] ^= 1
		damaged = append(damaged, changed)
	}
	for i, bad := range damaged {
		p, err := hsm.NewPIN(bad)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Module.PVVs(ctx, ref(Storage), ref(VisaPVK), 1, pans, []hsm.PIN{p}, make([]hsm.PVV, 1)); !errors.Is(err, hsm.ErrPINBlock) {
			t.Errorf("damage %d: %v", i, err)
		}
	}
}

func damagedBlocks(t *testing.T, b Bench) {
	ctx := context.Background()
	pans := pansOf(t, "400000", 1)
	for _, format := range b.Module.Formats() {
		good := Block(t, format, pans[0], Natural(t, scheme(5), pans[0]))
		for _, bad := range [][]byte{nil, good[:len(good)-1], make([]byte, len(good)), make([]byte, 16)} {
			blocks := card.NewSecrets(1, 16)
			blocks.Set(0, bad)
			err := b.Module.BlockPVVs(ctx, ref(zoneKey(format)), format, pans, blocks, ref(VisaPVK), 1, make([]hsm.PVV, 1))
			if other := b.Module.CheckBlocks(ctx, ref(zoneKey(format)), format, pans, blocks, 5); !errors.Is(err, hsm.ErrPINBlock) || !errors.Is(other, hsm.ErrPINBlock) {
				t.Errorf("format %d, %d bytes: %v, %v", format, len(bad), err, other)
			}
			if err := b.importBlock(format, hsm.ChosenPIN, 5, pans, blocks); !errors.Is(err, hsm.ErrPINBlock) {
				t.Errorf("format %d, %d bytes imported: %v", format, len(bad), err)
			}
		}
		blocks := card.NewSecrets(1, 16)
		blocks.Set(0, good)
		if err := b.Module.CheckBlocks(ctx, ref(zoneKey(format)), format, pans, blocks, 6); !errors.Is(err, hsm.ErrPINBlock) {
			t.Errorf("format %d: 5 digits passed for 6: %v", format, err)
		}
		if err := b.importBlock(format, hsm.PresentedPIN, 6, pans, blocks); !errors.Is(err, hsm.ErrPINBlock) {
			t.Errorf("format %d: 5 digits imported for 6: %v", format, err)
		}
	}
}

func (b Bench) importBlock(format hsm.PINFormat, use hsm.PINUse, length int, pans []card.PAN, blocks card.Secrets) error {
	return b.Module.ImportPINs(context.Background(), ref(zoneKey(format)), format, use, length, pans, blocks, ref(Storage), make([]hsm.PIN, len(pans)))
}

func lengths(t *testing.T, b Bench) {
	ctx, m := context.Background(), b.Module
	pans := pansOf(t, "400000", 2)
	pins := b.derive(t, 5, pans)
	for name, err := range map[string]error{
		"codes":           m.Codes(ctx, ref(CVK), make([]hsm.CodeRequest, 2), card.NewSecrets(1, 3)),
		"narrow codes":    m.Codes(ctx, ref(CVK), make([]hsm.CodeRequest, 2), card.NewSecrets(2, 2)),
		"security codes":  m.CSCs(ctx, ref(CVK), amexPANs(t, 2), make([]card.Expiry, 1), card.NewSecrets(2, 12)),
		"narrow security": m.CSCs(ctx, ref(CVK), amexPANs(t, 2), make([]card.Expiry, 2), card.NewSecrets(2, 11)),
		"generate":        m.GeneratePINs(ctx, ref(Storage), 4, pans, objects(1), make([]hsm.PIN, 2)),
		"generate out":    m.GeneratePINs(ctx, ref(Storage), 4, pans, objects(2), make([]hsm.PIN, 1)),
		"derive":          m.DerivePINs(ctx, ref(Storage), ref(IBMPVK), scheme(5), pans, make([]hsm.PIN, 1)),
		"PVVs":            m.PVVs(ctx, ref(Storage), ref(VisaPVK), 1, pans, pins[:1], make([]hsm.PVV, 2)),
		"offsets":         m.Offsets(ctx, ref(Storage), ref(IBMPVK), scheme(5), pans, pins, make([]hsm.Offset, 1)),
		"transfer":        m.TransferPINs(ctx, ref(Storage), pans, pins, pans[:1], make([]hsm.PIN, 2)),
		"export":          m.ExportPINs(ctx, ref(Storage), ref(ZPK), hsm.ISO0, pans, pins, pans[:1], card.NewSecrets(2, 8)),
		"narrow export":   m.ExportPINs(ctx, ref(Storage), ref(ZPK), hsm.ISO0, pans, pins, pans, card.NewSecrets(2, 7)),
		"blocks":          m.BlockPVVs(ctx, ref(ZPK), hsm.ISO0, pans, card.NewSecrets(1, 8), ref(VisaPVK), 1, make([]hsm.PVV, 2)),
		"check":           m.CheckBlocks(ctx, ref(ZPK), hsm.ISO0, pans, card.NewSecrets(1, 8), 4),
		"import":          m.ImportPINs(ctx, ref(ZPK), hsm.ISO0, hsm.PresentedPIN, 4, pans, card.NewSecrets(1, 8), ref(Storage), make([]hsm.PIN, 2)),
		"import out":      m.ImportPINs(ctx, ref(ZPK), hsm.ISO0, hsm.PresentedPIN, 4, pans, card.NewSecrets(2, 8), ref(Storage), make([]hsm.PIN, 1)),
	} {
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func bounds(t *testing.T, b Bench) {
	ctx, m := context.Background(), b.Module
	pans := pansOf(t, "400000", 1)
	pins, none := b.derive(t, 5, pans), make([]card.PAN, 1)
	weak := hsm.IBM3624{DecTable: "0000011111222223", Validation: "1234567890AN", Length: 5}
	plain := hsm.IBM3624{DecTable: "0123456789012345", Validation: "1234567890AB", Length: 5}
	pvv, offset, pin := make([]hsm.PVV, 1), make([]hsm.Offset, 1), make([]hsm.PIN, 1)
	code := func(expiry card.Expiry, service string) error {
		in := []hsm.CodeRequest{{PAN: pans[0], Expiry: expiry, ServiceCode: [3]byte([]byte(service))}}
		return m.Codes(ctx, ref(CVK), in, card.NewSecrets(1, 3))
	}
	for name, c := range map[string]struct {
		err   error
		names string
	}{
		"PIN of 3":            {m.GeneratePINs(ctx, ref(Storage), 3, pans, objects(1), pin), "pin must have 4 to 12 digits"},
		"PIN of 13":           {m.GeneratePINs(ctx, ref(Storage), 13, pans, objects(1), pin), "pin must have 4 to 12 digits"},
		"month 13":            {code(card.Expiry{Year: 2030, Month: 13}, "201"), "expiry must be"},
		"month 0":             {code(card.Expiry{Year: 2030}, "201"), "expiry must be"},
		"year 1999":           {code(card.Expiry{Year: 1999, Month: 1}, "201"), "expiry must be"},
		"service code of two": {code(card.Expiry{Year: 2030, Month: 1}, "20\x00"), "service_code must have 3 digits"},
		"service code 2x1":    {code(card.Expiry{Year: 2030, Month: 1}, "2x1"), "service_code must have 3 digits"},
		"month 13, security":  {m.CSCs(ctx, ref(CVK), amexPANs(t, 1), []card.Expiry{{Year: 2030, Month: 13}}, card.NewSecrets(1, 12)), "expiry must be"},
		"16 digits, security": {m.CSCs(ctx, ref(CVK), pans, []card.Expiry{{Year: 2030, Month: 1}}, card.NewSecrets(1, 12)), "pan must have 15 digits"},
		"no PAN, security":    {m.CSCs(ctx, ref(CVK), none, []card.Expiry{{Year: 2030, Month: 1}}, card.NewSecrets(1, 12)), "PAN must have"},
		"index 7":             {m.PVVs(ctx, ref(Storage), ref(VisaPVK), 7, pans, pins, pvv), "pvki must be 0 to 6"},
		"index below 0":       {m.PVVs(ctx, ref(Storage), ref(VisaPVK), -1, pans, pins, pvv), "pvki must be 0 to 6"},
		"index of a block":    {m.BlockPVVs(ctx, ref(ZPK), hsm.ISO0, pans, card.NewSecrets(1, 8), ref(VisaPVK), 7, pvv), "pvki must be 0 to 6"},
		"weak table":          {m.DerivePINs(ctx, ref(Storage), ref(IBMPVK), weak, pans, pin), "decimalisation table"},
		"template":            {m.Offsets(ctx, ref(Storage), ref(IBMPVK), plain, pans, pins, offset), "validation template"},
		"other length":        {m.Offsets(ctx, ref(Storage), ref(IBMPVK), scheme(6), pans, pins, offset), ""},
		"no PAN, code":        {m.Codes(ctx, ref(CVK), make([]hsm.CodeRequest, 1), card.NewSecrets(1, 3)), "PAN must have"},
		"no PAN, draw":        {m.GeneratePINs(ctx, ref(Storage), 4, none, objects(1), pin), "PAN must have"},
		"no PAN, derive":      {m.DerivePINs(ctx, ref(Storage), ref(IBMPVK), scheme(5), none, pin), "PAN must have"},
		"no PAN, move to":     {m.TransferPINs(ctx, ref(Storage), pans, pins, none, pin), "PAN must have"},
		"no account":          {m.ExportPINs(ctx, ref(Storage), ref(ZPK), hsm.ISO0, pans, pins, none, card.NewSecrets(1, 8)), "PAN must have"},
		"no account, block":   {m.CheckBlocks(ctx, ref(ZPK), hsm.ISO0, none, card.NewSecrets(1, 8), 5), "PAN must have"},
		"import of 3":         {m.ImportPINs(ctx, ref(ZPK), hsm.ISO0, hsm.ChosenPIN, 3, pans, card.NewSecrets(1, 8), ref(Storage), pin), "pin must have 4 to 12 digits"},
		"import for nothing":  {m.ImportPINs(ctx, ref(ZPK), hsm.ISO0, 0, 4, pans, card.NewSecrets(1, 8), ref(Storage), pin), "use must be presented or chosen"},
		"no account, import":  {m.ImportPINs(ctx, ref(ZPK), hsm.ISO0, hsm.ChosenPIN, 4, none, card.NewSecrets(1, 8), ref(Storage), pin), "PAN must have"},
		"no PIN":              {m.ExportPINs(ctx, ref(Storage), ref(ZPK), hsm.ISO0, pans, make([]hsm.PIN, 1), pans, card.NewSecrets(1, 8)), hsm.ErrPINBlock.Error()},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.names) {
			t.Errorf("%s: %v", name, c.err)
		}
		if c.err != nil && strings.Contains(c.err.Error(), string(pans[0].Reveal()[6:])) {
			t.Errorf("%s: the error carries a card number", name)
		}
	}
}

func cancelled(t *testing.T, b Bench) {
	pans := pansOf(t, "400000", 2)
	ops := b.operations(t, pans, b.derive(t, 5, pans))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, op := range ops {
		if err := op.run(ctx, op.refs()); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", op.name, err)
		}
	}
	if err := b.Module.Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ready: %v", err)
	}
}

func concurrent(t *testing.T, b Bench) {
	var all sync.WaitGroup
	for _, prefix := range []string{"400000", "411111", "424242", "476173", "601100", "371449"} {
		pans := pansOf(t, prefix, 50)
		all.Go(func() {
			pins := b.derive(t, 12, pans)
			out, values := card.NewSecrets(50, 8), make([]hsm.PVV, 50)
			if err := b.Module.ExportPINs(context.Background(), ref(Storage), ref(ZPK), hsm.ISO0, pans, pins, pans, out); err != nil {
				t.Error(err)
				return
			}
			if err := b.Module.PVVs(context.Background(), ref(Storage), ref(VisaPVK), 2, pans, pins, values); err != nil {
				t.Error(err)
				return
			}
			for i, pan := range pans {
				natural := Natural(t, scheme(12), pan)
				if !bytes.Equal(out.Reveal(i), Block(t, hsm.ISO0, pan, natural)) || values[i] != PVV(t, 2, pan, natural) {
					t.Errorf("card %d of %s has the answer of another", i, prefix)
				}
			}
		})
	}
	all.Wait()
}

func silentErrors(t *testing.T, b Bench) {
	pans, others := pansOf(t, "400000", 1), pansOf(t, "411111", 1)
	pins := b.derive(t, 12, pans)
	natural := Natural(t, scheme(12), pans[0])
	err := b.Module.PVVs(context.Background(), ref(Storage), ref(VisaPVK), 1, others, pins, make([]hsm.PVV, 1))
	if err == nil {
		t.Fatal("a PIN opened for another card")
	}
	for _, secret := range []string{string(others[0].Reveal()[:12]), string(others[0].Reveal()[3:15]), natural.Reveal(), string(pins[0].Bytes()[2:])} {
		if strings.Contains(err.Error(), secret) {
			t.Error("an error carries data of a card")
		}
	}
}
