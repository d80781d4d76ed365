package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"platen/hsm/vectors"
)

// runVectors runs the command on a file of entries.
func runVectors(t *testing.T, entries string, flags ...string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "answers.json")
	if err := os.WriteFile(path, []byte(entries), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	root := rootCommand()
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"vectors", "run", path}, flags...))
	err := root.Execute()
	return out.String(), err
}

const (
	rightCVV   = `{"id":"right","algo":"cvv","inputs":{"cvk":"0123456789ABCDEFFEDCBA9876543210","pan":"4123456789012345","expiry":"8701","service_code":"101"},"expected":"561"}`
	strange    = `{"id":"strange","algo":"nobody's","inputs":{},"expected":1}`
	wrongCheck = `{"id":"wrong","algo":"kcv_des","inputs":{"key":"0123456789ABCDEF"},"expected":"D5D440"}`
)

func TestVectorsThatComeOutOrAreUnknownEndWell(t *testing.T) {
	out, err := runVectors(t, "["+rightCVV+","+strange+"]")
	if err != nil || !strings.Contains(out, "unknown  strange") || !strings.Contains(out, "1 passed, 0 form only, 0 failed, 1 unknown.") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAVectorThatIsOnlyQuotedIsListed(t *testing.T) {
	out, err := runVectors(t, "["+strings.Replace(rightCVV, `"algo"`, `"verified":"quoted","algo"`, 1)+"]")
	if err != nil || !strings.Contains(out, "passed   right: quoted") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAVectorWhoseKeyIsSecretIsNoPassedOne(t *testing.T) {
	const shape = `{"id":"shape","algo":"amex_csc_shape","inputs":{"pan":"344131234567848","length":4},"expected":"3938"}`
	out, err := runVectors(t, "["+rightCVV+","+shape+"]")
	if err != nil || !strings.Contains(out, "form     shape: the key is not known") || !strings.Contains(out, "1 passed, 1 form only, 0 failed, 0 unknown.") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = runVectors(t, "["+strings.Replace(shape, "3938", "393", 1)+"]"); err == nil || !strings.Contains(out, "0 passed, 0 form only, 1 failed") {
		t.Errorf("another form: %v\n%s", err, out)
	}
}

func TestAVectorThatFailsEndsWithOne(t *testing.T) {
	out, err := runVectors(t, "["+rightCVV+","+wrongCheck+"]", "--json")
	if exit := exitError(0); !errors.As(err, &exit) || exit != 1 {
		t.Errorf("%v", err)
	}
	var report vectors.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if report.Passed != 1 || report.Failed != 1 || len(report.Results) != 2 || report.Results[1].ID != "wrong" || report.Results[1].Status != vectors.Failed {
		t.Errorf("%+v", report)
	}
}

func TestAFileThatIsNoneOfVectorsIsAnError(t *testing.T) {
	if _, err := runVectors(t, `{"id":1}`); !errors.Is(err, vectors.ErrFile) {
		t.Errorf("%v", err)
	}
}
