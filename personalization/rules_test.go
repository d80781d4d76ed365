package personalization_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"platen/card"
	"platen/personalization"
)

func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 23, 30, 0, 0, time.UTC)
}

func TestExpiryCountsMonthsFromTheMonthOfIssue(t *testing.T) {
	for _, c := range []struct {
		issued   time.Time
		months   int
		override card.Expiry
		want     string
		err      error
	}{
		{day(2026, 11, 21), 36, card.Expiry{}, "2029-11", nil},
		{day(2026, 12, 31), 1, card.Expiry{}, "2027-01", nil},
		{day(2028, 2, 29), 60, card.Expiry{}, "2033-02", nil},
		{day(2026, 11, 21), 36, card.Expiry{Year: 2026, Month: 12}, "2026-12", nil},
		{day(2026, 11, 21), 36, card.Expiry{Year: 2026, Month: 11}, "", personalization.ErrExpiryPast},
		{day(2026, 11, 21), 36, card.Expiry{Year: 2026, Month: 10}, "", personalization.ErrExpiryPast},
		{day(2026, 11, 21), 36, card.Expiry{Year: 2027, Month: 13}, "", card.ErrExpiry},
		{day(2026, 11, 21), 0, card.Expiry{}, "", personalization.ErrExpiryPast},
		{day(2099, 11, 21), 36, card.Expiry{}, "", card.ErrExpiry},
		{day(1999, 11, 21), 36, card.Expiry{}, "", card.ErrExpiry},
	} {
		got, err := personalization.ExpiryOf(card.Product{ValidityMonths: c.months}, c.issued, c.override)
		if !errors.Is(err, c.err) || (c.err == nil && got.String() != c.want) {
			t.Errorf("%s + %d, override %s: %s, %v", c.issued.Format(time.DateOnly), c.months, c.override, got, err)
		}
	}
}

func TestSuccessorFollowsTheDefaultTable(t *testing.T) {
	p := visaProduct()
	cur := personalization.Current{Expiry: card.Expiry{Year: 2027, Month: 5}, PSN: 3}
	same := personalization.Next{Expiry: cur.Expiry, PSN: 4, PIN: card.KeepPIN, OldCard: card.OldUntilActive}
	renewed := same
	renewed.Expiry = card.Expiry{Year: 2029, Month: 11}
	fresh := personalization.Next{NewPAN: true, Expiry: renewed.Expiry, PSN: 1, PIN: card.FreshPIN, Mailer: true, OldCard: card.OldStays}
	replaced := fresh
	replaced.OldCard = card.OldClosed
	for reason, want := range map[card.Reason]personalization.Next{
		card.New: fresh, card.Additional: fresh, card.ProductChange: fresh, card.Renewal: renewed,
		card.Damaged: same, card.NameChange: same, card.Emergency: same,
		card.Lost: replaced, card.Stolen: replaced, card.Compromised: replaced, card.NotReceived: replaced,
		card.Remake: {Expiry: cur.Expiry, PSN: 3, PIN: card.KeepPIN, OldCard: card.OldStays},
	} {
		got, err := personalization.Successor(p, reason, cur, day(2026, 11, 21), card.Expiry{})
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", reason, got, err, want)
		}
	}
	for _, reason := range []card.Reason{card.PINReprint, card.PINNew, 0, 99} {
		if _, err := personalization.Successor(p, reason, cur, day(2026, 11, 21), card.Expiry{}); !errors.Is(err, personalization.ErrNoCard) {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

func TestSuccessorFollowsTheProductsOwnTable(t *testing.T) {
	p := visaProduct()
	p.FirstPSN = 0
	p.Actions = map[card.Reason]card.Action{
		card.Stolen: {NewPAN: true, PIN: card.TransferPIN, OldCard: card.OldClosed},
		card.Lost:   {NewPAN: true, NewExpiry: true, PIN: card.KeepPIN, OldCard: card.OldClosed},
	}
	cur := personalization.Current{Expiry: card.Expiry{Year: 2027, Month: 5}, PSN: 9}
	got, err := personalization.Successor(p, card.Stolen, cur, day(2026, 11, 21), card.Expiry{})
	want := personalization.Next{NewPAN: true, Expiry: cur.Expiry, PIN: card.TransferPIN, OldCard: card.OldClosed}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := personalization.Successor(p, card.Lost, cur, day(2026, 11, 21), card.Expiry{}); !errors.Is(err, personalization.ErrKeptPIN) {
		t.Errorf("a PIN kept under a new number: %v", err)
	}
}

func TestSuccessorOfAProductWithoutPINs(t *testing.T) {
	p := visaProduct()
	p.PIN = card.PINPolicy{Method: card.NoPIN}
	cur := personalization.Current{Expiry: card.Expiry{Year: 2027, Month: 5}}
	for reason, want := range map[card.Reason]card.PINChange{card.Lost: card.FreshPIN, card.Damaged: card.KeepPIN, card.Renewal: card.KeepPIN} {
		got, err := personalization.Successor(p, reason, cur, day(2026, 11, 21), card.Expiry{})
		if err != nil || got.PIN != want || got.Mailer {
			t.Errorf("%s: %+v, %v", reason, got, err)
		}
	}
}

func TestSuccessorRefusesWhatCannotBe(t *testing.T) {
	p := visaProduct()
	past := personalization.Current{Expiry: card.Expiry{Year: 2026, Month: 10}}
	last := personalization.Current{Expiry: card.Expiry{Year: 2027, Month: 5}, PSN: 99}
	soon := card.Expiry{Year: 2026, Month: 11}
	for name, c := range map[string]struct {
		reason   card.Reason
		cur      personalization.Current
		override card.Expiry
		want     error
	}{
		"damaged after expiry":   {card.Damaged, past, card.Expiry{}, personalization.ErrExpiryPast},
		"override in the past":   {card.Damaged, last, soon, personalization.ErrExpiryPast},
		"PSN after 99":           {card.Renewal, last, card.Expiry{}, card.ErrPSN},
		"damaged without issue":  {card.Damaged, personalization.Current{}, card.Expiry{}, personalization.ErrNoCurrent},
		"remake without issue":   {card.Remake, personalization.Current{}, card.Expiry{}, personalization.ErrNoCurrent},
		"renewal with past word": {card.Renewal, past, soon, personalization.ErrExpiryPast},
	} {
		if _, err := personalization.Successor(p, c.reason, c.cur, day(2026, 11, 21), c.override); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	override := card.Expiry{Year: 2028, Month: 1}
	for _, reason := range []card.Reason{card.Damaged, card.Renewal, card.Lost} {
		if got, err := personalization.Successor(p, reason, past, day(2026, 11, 21), override); err != nil || got.Expiry != override {
			t.Errorf("%s with an override: %+v, %v", reason, got, err)
		}
	}
	if got, err := personalization.Successor(p, card.Remake, past, day(2026, 11, 21), override); err != nil || got.Expiry != past.Expiry {
		t.Errorf("a remake is not the same card: %+v, %v", got, err)
	}
}

func TestTrackNames(t *testing.T) {
	for _, c := range []struct{ surname, given, emboss, want string }{
		{"Doe", "Jane M.", "", "DOE/JANE M."},
		{"Doe", "", "", "DOE/"},
		{"", "", "JANE M DOE", "DOE/JANE M"},
		{"", "", "MADONNA", "MADONNA/"},
		{"", "", "", " /"},
		{"", "Jane", "", " /"},
		{"Müller", "Jörg", "JOERG MUELLER", "MUELLER/JOERG"},
		{"Mueller", "Jörg", "JOERG MUELLER ", "MUELLER/JOERG"},
		{"de la Cruz", "山", "SHAN DE LA CRUZ", "DE LA CRUZ/SHAN"},
		{"Lee", "太郎", "LEE TARO", "LEE/TARO"},
		{"Lee", "太郎", "T. L.", "LEE/"},
		{"山田 花", "Ann", "ANN YAMADA HANA", "YAMADA HANA/ANN"},
		{"山田", "Ann", "YAMADA ANN", "YAMADA/ANN"},
		{"山田", "Ann", "A. YAMADA", "YAMADA/A."},
		{"山田", "Ann", "ANN", "ANN/"},
		{"", "Jane", "JANE VAN DER BERG", "VAN DER BERG/JANE"},
		{"山田", "太郎", "", " /"},
		{"O'Neill-Smith", "Ann & Bob", "", "O'NEILL-SMITH/ANN & BOB"},
		{"A/B^C%D?", "x_y", "", "A B C D/X Y"},
		{"  Van   der  Berg ", " Jan  ", "", "VAN DER BERG/JAN"},
		{"Wolfeschlegelsteinhausenbergerdorff", "Hubert", "", "WOLFESCHLEGELSTEINHAUSENB/"},
		{"Featherstonehaugh", "Alexander James", "", "FEATHERSTONEHAUGH/ALEXANDE"},
		{"Abcdefghijklmnopqrstu", "Jan Piet", "", "ABCDEFGHIJKLMNOPQRSTU/JAN"},
		{"///", "Jane", "", " /"},
	} {
		if got := personalization.TrackName(c.surname, c.given, c.emboss); got != c.want {
			t.Errorf("%q %q %q: %q, want %q", c.surname, c.given, c.emboss, got, c.want)
		}
	}
}

func TestTrackNamesAlwaysFitTheTrack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := personalization.TrackName(rapid.String().Draw(t, "surname"), rapid.String().Draw(t, "given"), rapid.String().Draw(t, "emboss"))
		slashes := 0
		for _, c := range []byte(name) {
			if c < ' ' || c > '_' || c == '^' || c == '%' || c == '?' {
				t.Fatalf("character %q", c)
			}
			if c == '/' {
				slashes++
			}
		}
		if len(name) < 2 || len(name) > 26 || slashes != 1 {
			t.Fatalf("name %q", name)
		}
	})
}
