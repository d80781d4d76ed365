package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var guideBlock = regexp.MustCompile("(?s)```(yaml|sh)\n(.*?)```")

// The guide to a layout is carried out as it stands: its two documents are written down and each of its commands is run, in order.
func TestTheGuideToALayoutWorksAsItStands(t *testing.T) {
	t.Parallel()
	_, guide, _ := strings.Cut(string(read(t, "../../docs/formats.md")), "## From a bureau's table to a tested layout")
	guide, _, _ = strings.Cut(guide, "\n## ")
	binary, err := program()
	must(t, err)
	dir := t.TempDir()
	names := []string{"harbour.yaml", "harbour.test.yaml"}
	ran := 0
	var said strings.Builder
	for _, block := range guideBlock.FindAllStringSubmatch(guide, -1) {
		if block[1] == "yaml" {
			put(t, filepath.Join(dir, names[0]), []byte(block[2]))
			names = names[1:]
			continue
		}
		if strings.Contains(block[2], "specimen.emb") {
			put(t, filepath.Join(dir, "specimen.emb"), specimen(t, filepath.Join(dir, "harbour.test.yaml")))
		}
		shell := exec.Command("sh", "-e", "-c", block[2])
		shell.Dir = dir
		shell.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
		out, err := shell.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, block[2], out)
		}
		said.Write(out)
		ran += strings.Count("\n"+block[2], "\nplaten ")
	}
	if ran < 12 || len(names) > 0 {
		t.Errorf("%d commands were run, %v were not written", ran, names)
	}
	for _, want := range []string{"has room for 24 characters", "2 passed, 0 failed", "card.name  resized  24   20", "newly rejected", "411111******1111", "1 records, all right"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("nothing says %q:\n%s", want, said.String())
		}
	}
}

// specimen is the file that the first case of a layout's test expects, with CR LF.
func specimen(t *testing.T, test string) []byte {
	t.Helper()
	var body struct {
		Cases []struct{ Expect string }
	}
	must(t, yaml.Unmarshal(read(t, test), &body))
	return []byte(strings.ReplaceAll(body.Cases[0].Expect, "\n", "\r\n"))
}
