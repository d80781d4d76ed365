package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"platen/batch"
	"platen/card"
	"platen/programs"
)

const manualRoot = "../.."

// manual reads the README and every page of docs, by name.
func manual(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	names, err := filepath.Glob(filepath.Join(manualRoot, "docs", "*.md"))
	if err != nil || len(names) < 6 {
		t.Fatalf("%d pages, %v", len(names), err)
	}
	for _, name := range append(names, filepath.Join(manualRoot, "README.md"), filepath.Join(manualRoot, "SECURITY.md")) {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pages[filepath.Base(name)] = string(body)
	}
	return pages
}

var (
	inline  = regexp.MustCompile("`(platen [^`]+)`")
	onALine = regexp.MustCompile(`(?m)^(platen .*)$`)
	word    = regexp.MustCompile(`'[^']*'|\S+`)
)

// commandsOf lists the commands that a page shows, each as words up to a pipe, a redirection or a comment.
func commandsOf(page string) [][]string {
	var all [][]string
	for _, found := range append(inline.FindAllStringSubmatch(page, -1), onALine.FindAllStringSubmatch(page, -1)...) {
		var words []string
		for _, w := range word.FindAllString(found[1], -1)[1:] {
			if strings.ContainsAny(w[:1], "|>&#") {
				break
			}
			words = append(words, strings.Trim(w, "'"))
		}
		all = append(all, words)
	}
	return all
}

func TestEveryCommandOfTheManualExists(t *testing.T) {
	checked := 0
	for name, page := range manual(t) {
		for _, words := range commandsOf(page) {
			c, _, err := rootCommand().Find(words)
			if err != nil || !c.Runnable() {
				t.Errorf("%s: platen %s: there is no such command", name, strings.Join(words, " "))
				continue
			}
			checked++
			for _, w := range words {
				if flag, _, _ := strings.Cut(w, "="); strings.HasPrefix(flag, "-") && len(flag) > 1 && !hasFlag(c, flag) {
					t.Errorf("%s: platen %s: there is no flag %s", name, strings.Join(words, " "), flag)
				}
			}
		}
	}
	if checked < 40 {
		t.Errorf("only %d commands were found in the manual", checked)
	}
}

func hasFlag(c *cobra.Command, flag string) bool {
	for _, set := range []*pflag.FlagSet{c.Flags(), c.InheritedFlags(), c.PersistentFlags()} {
		if long, ok := strings.CutPrefix(flag, "--"); ok && set.Lookup(long) != nil {
			return true
		}
		if len(flag) == 2 && set.ShorthandLookup(flag[1:]) != nil {
			return true
		}
	}
	return false
}

func TestTheManualTellsOfEveryCommandAndFlag(t *testing.T) {
	pages := manual(t)
	all := strings.Join(slices.Collect(maps.Values(pages)), "\n")
	shown := map[string]bool{}
	for _, page := range pages {
		for _, words := range commandsOf(page) {
			if c, _, err := rootCommand().Find(words); err == nil {
				shown[c.CommandPath()] = true
			}
		}
	}
	eachCommand(rootCommand(), func(c *cobra.Command) {
		if c.Name() == "version" || c.Name() == "institution" || c.Hidden || !c.Runnable() {
			return
		}
		if !shown[c.CommandPath()] {
			t.Errorf("the manual never shows %s", c.CommandPath())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(all, "--"+f.Name) && (f.Shorthand == "" || !strings.Contains(all, " -"+f.Shorthand+" ")) {
				t.Errorf("the manual never tells of %s --%s", c.CommandPath(), f.Name)
			}
		})
	})
}

func eachCommand(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, visit)
	}
}

// facts are words of the code that a page must tell of: each is found in the sources by a pattern with one group.
var facts = []struct {
	what, page, folder, pattern string
	least                       int
}{
	{"metric", "operations.md", "cmd/platen", `"(platen_[a-z_]+)"`, 10},
	{"fault code", "formats.md", "formats", `Fault[A-Za-z]+ += "([a-z_]+)"`, 15},
	{"fault code", "formats.md", "batch", `\bfault\("[a-z_]+", "([a-z_]+)"`, 10},
	{"delivery code", "operations.md", "delivery", `Code[A-Za-z0-9]+ += "([a-z_]+)"`, 20},
	{"reason of a return line", "operations.md", "batch", `(?:refuse\(|Reason = store\.Line[A-Za-z]+, )"([a-z_]+)"`, 5},
	{"function of layouts", "formats.md", "formats", `(?m)^\t\t"([a-z0-9_]+)": +(?:call\.|func\(c call)`, 40},
	{"key of layouts", "formats.md", "formats", `(?m)^\t\t"([a-z_]+)": `, 15},
	{"alarm", "operations.md", "batch", `Alarm[A-Za-z]+ += "([A-Z_]+)"`, 15},
	{"reason of a return line", "operations.md", "batch", `quarantine\("([a-z_]+)"`, 3},
	{"table", "architecture.md", "sql/migrations/postgres", `CREATE TABLE ([a-z_]+) \(`, 20},
	{"action of the audit log", "security.md", "batch", `\.Audit\(ctx, actor, "([a-z._]+)"`, 2},
	{"action of the audit log", "security.md", "cmd/platen", `\.Audit\([^"]+"(?:platen", ")?([a-z._]+)"`, 2},
	{"key of ranges", "guide.md", "programs", "(?m)^\t[A-Z][A-Za-z]+ +[a-z0-9.A-Z]+ +`json:\"([a-z_]+)\"`", 20},
}

func TestTheManualTellsOfEveryWordOfTheCode(t *testing.T) {
	pages := manual(t)
	for _, f := range facts {
		words := wordsOf(t, f.folder, f.pattern)
		if len(words) < f.least {
			t.Errorf("only %d words were found: %s in %s", len(words), f.what, f.folder)
		}
		for _, w := range words {
			if !tells(pages[f.page], w) {
				t.Errorf("docs/%s does not tell of the %s %s", f.page, f.what, w)
			}
		}
	}
}

// tells looks for a word in backticks, alone or with what belongs to it: `word`, `word(n)`, `word{label}`, `word: true`.
func tells(page, w string) bool {
	return regexp.MustCompile("`(?:[^`\n]* )?" + regexp.QuoteMeta(w) + "(?:[^a-zA-Z_`][^`]*)?`").MatchString(page)
}

func wordsOf(t *testing.T, folder, pattern string) []string {
	t.Helper()
	var words []string
	expression := regexp.MustCompile(pattern)
	root := os.DirFS(filepath.Join(manualRoot, filepath.FromSlash(folder)))
	names, err := fs.Glob(root, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || !strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, ".sql") {
			continue
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range expression.FindAllSubmatch(source, -1) {
			words = append(words, string(found[1]))
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

func TestTheManualNamesOnlyMetricsThatExist(t *testing.T) {
	known := wordsOf(t, "cmd/platen", `"(platen_[a-z_]+)"`)
	named := regexp.MustCompile("`(platen_[a-z_]+)")
	for name, page := range manual(t) {
		for _, found := range named.FindAllStringSubmatch(page, -1) {
			if !slices.Contains(known, found[1]) {
				t.Errorf("%s: there is no metric %s", name, found[1])
			}
		}
	}
}

func TestTheGuideTellsOfEveryKeyOfProductsAndBureaus(t *testing.T) {
	guide := manual(t)["guide.md"]
	for _, thing := range []any{card.Product{}, card.PINPolicy{}, card.ProductKeys{}, card.Action{}, programs.Bureau{}, programs.SFTP{}, programs.PGP{}, programs.Expect{}, programs.Calendar{}, programs.Return{}, programs.Schedule{}} {
		kind := reflect.TypeOf(thing)
		for i := range kind.NumField() {
			key, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
			if !tells(guide, key) {
				t.Errorf("docs/guide.md does not tell of %s's %s", kind.Name(), key)
			}
		}
	}
}

// Each alarm has a runbook: its name stands in a heading.
func TestTheManualHasARunbookForEachAlarm(t *testing.T) {
	operations := manual(t)["operations.md"]
	for _, what := range batch.Alarms() {
		if !regexp.MustCompile("(?m)^### .*`" + what + "`").MatchString(operations) {
			t.Errorf("docs/operations.md has no runbook for %s", what)
		}
	}
}

func TestEveryLinkOfTheManualLeadsToAFile(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for name, page := range manual(t) {
		from := filepath.Join(manualRoot, "docs")
		if name == "README.md" || name == "SECURITY.md" {
			from = manualRoot
		}
		for _, found := range link.FindAllStringSubmatch(page, -1) {
			if _, err := os.Stat(filepath.Join(from, filepath.FromSlash(found[1]))); err != nil {
				t.Errorf("%s: the link %s leads nowhere", name, found[1])
			}
		}
	}
}
