package programs_test

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"platen/programs"
)

func TestDiffOfTheSameProgramsIsEmpty(t *testing.T) {
	files := sample(t)
	first, second := mustLoad(t, files), mustLoad(t, files)
	if lines := programs.Diff(first, second); len(lines) != 0 {
		t.Errorf("%q", lines)
	}
}

func TestDiffTellsWhatChanges(t *testing.T) {
	files := sample(t)
	old := mustLoad(t, files)
	edit(t, files, "programs/products/prepaid-mag.yaml", "validity_months: 24", "validity_months: 36")
	edit(t, files, "programs/bureaus/south.yaml", "127.0.0.1:2223", "bureau.example:22")
	edit(t, files, "programs/ranges.yaml", "size: 2_500_000", "size: 3_000_000")
	edit(t, files, "programs/schedules.yaml", "code: same-day", "code: noon")
	edit(t, files, "programs/products/mc-credit-chip.yaml", "pin: TRANSFER", "pin: NEW")
	want := []string{
		`~ range prepaid: size: 2500000 → 3000000`,
		`~ bureau south: sftp.address: "127.0.0.1:2223" → "bureau.example:22"`,
		`~ product mc-credit-chip: actions.LOST.pin: "TRANSFER" → "NEW"`,
		`~ product prepaid-mag: validity_months: 24 → 36`,
		`+ schedule noon`,
		`- schedule same-day`,
	}
	if diff := cmp.Diff(want, programs.Diff(old, mustLoad(t, files))); diff != "" {
		t.Error(diff)
	}
}

func TestDiffOverNothingAddsEverything(t *testing.T) {
	lines := programs.Diff(nil, mustLoad(t, sample(t)))
	if len(lines) < 15 || lines[0] != "+ institution demo-bank" {
		t.Errorf("%q", lines)
	}
}

func mustLoad(t *testing.T, files fstest.MapFS) *programs.Set {
	t.Helper()
	set, err := programs.Load(files, "programs")
	if err != nil {
		t.Fatal(err)
	}
	return set
}
