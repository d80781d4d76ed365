package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"platen/formats"
)

func layoutCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "layout", Short: "Check layouts before they meet a card"}
	c.AddCommand(layoutLint(s), layoutPreview(s), layoutTest(s), layoutDiff(s), layoutSheet(s))
	return c
}

// testSuffix ends the name of a layout's test, which stands beside it.
const testSuffix = ".test.yaml"

func layoutTest(s *shared) *cobra.Command {
	return &cobra.Command{
		Use: "test FILE|DIRECTORY...", Short: "Write the files that the tests of layouts describe, and compare them byte for byte",
		Long: `For every layout the test beside it (NAME.test.yaml for NAME.yaml) gives records and the exact bytes that they must make, or what must
be refused. What was written is read back, and every value must come back as it went in. Exit code 1 when a case fails, or when a layout
has no test.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			report := layoutReport{}
			for _, name := range args {
				files, err := layoutFiles(name)
				if err != nil {
					return err
				}
				for _, f := range files {
					report.test(f)
				}
			}
			if err := report.print(cmd, s.json); err != nil {
				return err
			}
			if report.Failed > 0 {
				return exitError(1)
			}
			return nil
		},
	}
}

// layoutFiles lists the layouts of a directory, or the one file.
func layoutFiles(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("layouts: %w", err)
	}
	if !info.IsDir() {
		if base, isTest := strings.CutSuffix(name, testSuffix); isTest {
			name = base + ".yaml"
		}
		return []string{name}, nil
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".yaml" && !strings.HasSuffix(path, testSuffix) {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("layouts: %s has none", name)
	}
	return files, err
}

// layoutReport is what testing layouts found.
type layoutReport struct {
	Passed  int            `json:"passed"`
	Failed  int            `json:"failed"`
	Results []layoutResult `json:"results"`
}

type layoutResult struct {
	File   string `json:"file"`
	Case   string `json:"case,omitempty"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail,omitempty"`
}

func (r *layoutReport) add(file, name string, err error) {
	result := layoutResult{File: file, Case: name, Passed: err == nil}
	if err != nil {
		result.Detail = err.Error()
		r.Failed++
	} else {
		r.Passed++
	}
	r.Results = append(r.Results, result)
}

// test runs every case of one layout.
func (r *layoutReport) test(file string) {
	src, err := os.ReadFile(file)
	if err != nil {
		r.add(file, "", err)
		return
	}
	l, err := formats.Load(file, src)
	if err != nil {
		r.add(file, "", err)
		return
	}
	beside := strings.TrimSuffix(file, filepath.Ext(file)) + testSuffix
	src, err = os.ReadFile(beside)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("it has no test: %s", beside)
	}
	if err != nil {
		r.add(file, "", err)
		return
	}
	examples, err := formats.LoadExamples(beside, src, l)
	if err != nil {
		r.add(beside, "", err)
		return
	}
	for i := range examples {
		r.add(beside, examples[i].Name, examples[i].Run(l))
	}
}

func (r *layoutReport) print(cmd *cobra.Command, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		return printJSON(out, r)
	}
	for _, result := range r.Results {
		word := "passed"
		if !result.Passed {
			word = "failed"
		}
		fmt.Fprintf(out, "%s  %s: %s\n", word, result.File, strings.Trim(result.Case+": "+result.Detail, ": "))
	}
	_, err := fmt.Fprintf(out, "%d passed, %d failed.\n", r.Passed, r.Failed)
	return err
}
