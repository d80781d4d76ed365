package batch

import (
	"errors"
	"testing"

	"platen/formats"
)

func TestCardNumbersInOrdersAreRefusedAndNotKept(t *testing.T) {
	for value, want := range map[string]string{
		"4000000000000002":          "************0002",
		"Ann 4000 0000 0000 0002":   "Ann ***************0002",
		"x5413-3300-8901-0483y":     "x***************0483y",
		"4000000000000003":          "4000000000000003", // fails its check digit
		"9780000000000002":          "9780000000000002", // no scheme begins so
		"20261125163110":            "20261125163110",   // a moment: no scheme begins so either
		"CIF-10007919":              "CIF-10007919",
		"":                          "",
		"12 Lake Road, 411001 Pune": "12 Lake Road, 411001 Pune",
	} {
		c := checker{row: formats.Row{Line: 7, LastName: value}}
		c.checkNumbers()
		if refused := len(c.faults) == 1; refused != (value != want) {
			t.Errorf("%q: faults %v", value, c.faults)
		}
		if len(c.faults) == 1 && (c.faults[0].Field != "last_name" || c.faults[0].Code != "card_number" || c.faults[0].Line != 7) {
			t.Errorf("%q: fault %+v", value, c.faults[0])
		}
		if got := withoutNumbers(c.row).LastName; got != want {
			t.Errorf("%q is kept as %q, want %q", value, got, want)
		}
	}
}

func TestNoReasonOrReferenceHoldsACardNumber(t *testing.T) {
	const pan = "4000000000000002"
	for _, reference := range []string{pan, "ORDER-" + pan, "40000000-0000-0002", "a b", ""} {
		if err := checkReference(reference); !errors.Is(err, ErrName) {
			t.Errorf("reference %q: %v", reference, err)
		}
	}
	for _, reference := range []string{"NIGHT-20261125163110", "40000000-0000-0002-8000-000000000000"} {
		if err := checkReference(reference); err != nil {
			t.Errorf("reference %q: %v", reference, err)
		}
	}
	if err := CheckReason("lost, was " + pan); !errors.Is(err, ErrReason) {
		t.Errorf("a reason with a card number: %v", err)
	}
	if got := withoutNumber("bad embossing of " + pan + " and " + pan); got != "bad embossing of ************0002 and ************0002" {
		t.Errorf("a bureau's reason is kept as %q", got)
	}
}

func TestAReferenceMayEndWithAUUID(t *testing.T) {
	const digits = "00000000-0000-4111-1111-111111111111" // 4111 1111 1111 1111 with dashes
	for text, want := range map[string]bool{
		digits: false, "offblocks-" + digits: false, "ORDER-7": false,
		"4111111111111111": true, "4111-1111-1111-1111": true, digits + "-1": true, "4111111111111111-" + digits: true, digits[:35] + "g": true,
	} {
		if got := ReferenceHoldsCardNumber(text); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}
