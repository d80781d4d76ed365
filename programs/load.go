package programs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"platen/card"
	"platen/formats"
)

// maxFileSize bounds one file of programs.
const maxFileSize = 1 << 20

// testSuffix ends the name of a layout's test, which stands beside it.
const testSuffix = ".test.yaml"

// Load reads and checks the directory dir of fsys:
//
//	institution.yaml                the issuer, and where more layouts lie
//	ranges.yaml                     a list of PAN ranges
//	products.yaml, products/*.yaml  a list of products, or one a file
//	bureaus.yaml, bureaus/*.yaml    a list of bureaus, or one a file
//	zones.yaml                      a list of keys shared with clients
//	mappings.yaml, mappings/*.yaml  a list of mappings of order files, or one a file
//	schedules.yaml                  a list of schedules
//	layouts/*.yaml                  layouts
//
// Everything wrong is told at once: the error joins one *LoadError (or *formats.LoadError) for each, in the order of the files.
func Load(fsys fs.FS, dir string) (*Set, error) {
	return load(fsys, dir, func(name string) string { return name })
}

// LoadDir is Load for a directory of the operating system. Its institution.yaml may name layouts outside of the directory.
func LoadDir(dir string) (*Set, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("programs directory: %w", err)
	}
	root := filepath.VolumeName(absolute) + string(filepath.Separator)
	inside, err := filepath.Rel(root, absolute)
	if err != nil {
		return nil, fmt.Errorf("programs directory: %w", err)
	}
	return load(os.DirFS(root), filepath.ToSlash(inside), func(name string) string {
		relative, err := filepath.Rel(absolute, filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return name
		}
		return filepath.Join(dir, relative)
	})
}

// loader gathers what the files say, each thing with the place where it stands.
type loader struct {
	fsys fs.FS
	dir  string
	show func(name string) string // the name of a file as its reader knows it
	set  Set
	from places
	faults
}

// places are where the things of a set stand, in the same order.
type places struct {
	institution                                           source
	ranges, products, bureaus, zones, mappings, schedules []source
	layouts                                               []string // files
}

func load(fsys fs.FS, dir string, show func(string) string) (*Set, error) {
	l := &loader{fsys: fsys, dir: dir, show: show}
	if info, err := fs.Stat(fsys, dir); err != nil || !info.IsDir() {
		return nil, &LoadError{File: show(dir), Reason: "no such directory"}
	}
	l.institution()
	readList(l, "ranges.yaml", &l.from.ranges, func(r rangeForm) { l.set.Ranges = append(l.set.Ranges, r.asRange()) })
	readThings(l, "products", &l.from.products, func(p card.Product) { l.set.Products = append(l.set.Products, p) })
	readThings(l, "bureaus", &l.from.bureaus, func(b Bureau) { l.set.Bureaus = append(l.set.Bureaus, b) })
	readList(l, "zones.yaml", &l.from.zones, func(z Zone) { l.set.Zones = append(l.set.Zones, z) })
	readThings(l, "mappings", &l.from.mappings, func(m formats.Mapping) { l.set.Mappings = append(l.set.Mappings, m) })
	readList(l, "schedules.yaml", &l.from.schedules, func(s Schedule) { l.set.Schedules = append(l.set.Schedules, s) })
	l.refuseStrangers()
	if err := l.err(); err != nil {
		return nil, err
	}
	l.check()
	if err := l.err(); err != nil {
		return nil, err
	}
	l.set.from = l.from
	return &l.set, nil
}

// institution reads institution.yaml and with it the layouts, which it may look for elsewhere.
func (l *loader) institution() {
	file := path.Join(l.dir, "institution.yaml")
	node := l.parse(file, true)
	declared := struct {
		Code     string    `json:"code"`
		Name     string    `json:"name"`
		Timezone string    `json:"timezone"`
		Sandbox  bool      `json:"sandbox"`
		Dialects []Dialect `json:"dialects"`
		Layouts  []string  `json:"layouts"` // patterns, relative to the directory

		ActionReasons []ActionReason `json:"action_reasons"`
	}{}
	if node == nil {
		return
	}
	decode(l.show(file), node, &declared, &l.faults)
	l.from.institution = source{file: l.show(file), node: node}
	l.set.Institution = Institution{Code: declared.Code, Name: declared.Name, Timezone: declared.Timezone, Sandbox: declared.Sandbox, Dialects: declared.Dialects,
		ActionReasons: declared.ActionReasons}
	l.layouts("layouts/*.yaml", 0)
	for _, pattern := range declared.Layouts {
		if l.layouts(pattern, l.from.institution.line("layouts")) == 0 {
			l.add(l.show(file), l.from.institution.line("layouts"), "layouts: no file matches %q", pattern)
		}
	}
}

// layouts compiles the layouts that a pattern finds and returns how many files there are.
func (l *loader) layouts(pattern string, line int) int {
	files, err := fs.Glob(l.fsys, path.Join(l.dir, pattern))
	if err != nil {
		l.add(l.from.institution.file, line, "layouts: %q is not a file pattern", pattern)
		return 1
	}
	for _, file := range files {
		if strings.HasSuffix(file, testSuffix) {
			continue
		}
		source, err := l.read(file)
		if err != nil {
			l.add(l.show(file), 0, "%v", err)
			continue
		}
		layout, err := formats.Load(l.show(file), source)
		if err != nil {
			l.faults = append(l.faults, err)
			continue
		}
		l.set.Layouts = append(l.set.Layouts, layout)
		l.from.layouts = append(l.from.layouts, l.show(file))
	}
	return len(files)
}

// read returns a regular file of bounded size.
func (l *loader) read(file string) ([]byte, error) {
	f, err := l.fsys.Open(file)
	if err != nil {
		return nil, errors.New("cannot be opened")
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, errors.New("cannot be read")
	}
	if len(content) > maxFileSize {
		return nil, fmt.Errorf("is larger than %d bytes", maxFileSize)
	}
	return content, nil
}

// parse reads one YAML document; nil after a fault, or when an optional file is absent or empty.
func (l *loader) parse(file string, required bool) *yaml.Node {
	if _, err := fs.Stat(l.fsys, file); errors.Is(err, fs.ErrNotExist) {
		if required {
			l.add(l.show(file), 0, "is missing")
		}
		return nil
	}
	content, err := l.read(file)
	if err != nil {
		l.add(l.show(file), 0, "%v", err)
		return nil
	}
	var document yaml.Node
	reader := yaml.NewDecoder(bytes.NewReader(content))
	switch err := reader.Decode(&document); {
	case errors.Is(err, io.EOF):
		l.add(l.show(file), 0, "is empty")
		return nil
	case err != nil:
		l.add(l.show(file), 0, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		return nil
	}
	var second yaml.Node
	if err := reader.Decode(&second); !errors.Is(err, io.EOF) {
		l.add(l.show(file), 0, "holds more than one document")
		return nil
	}
	return document.Content[0]
}

// readThings reads kind.yaml, a list, and every file of the directory kind, one thing each.
func readThings[T any](l *loader, kind string, from *[]source, keep func(T)) {
	readList(l, kind+".yaml", from, keep)
	files, err := fs.Glob(l.fsys, path.Join(l.dir, kind, "*.yaml"))
	if err != nil {
		l.add(l.show(path.Join(l.dir, kind)), 0, "cannot be listed")
		return
	}
	for _, file := range files {
		if node := l.parse(file, true); node != nil {
			readThing(l, l.show(file), node, from, keep)
		}
	}
}

// readList reads a file that is a list of things of one kind.
func readList[T any](l *loader, name string, from *[]source, keep func(T)) {
	file := path.Join(l.dir, name)
	node := l.parse(file, false)
	if node == nil {
		return
	}
	if node.Kind != yaml.SequenceNode {
		l.add(l.show(file), node.Line, "must be a list")
		return
	}
	for _, item := range node.Content {
		readThing(l, l.show(file), item, from, keep)
	}
}

func readThing[T any](l *loader, file string, node *yaml.Node, from *[]source, keep func(T)) {
	var thing T
	decode(file, node, &thing, &l.faults)
	*from = append(*from, source{file: file, node: node})
	keep(thing)
}

// refuseStrangers reports YAML files that nothing reads: a misspelt name would otherwise be silence.
func (l *loader) refuseStrangers() {
	known := []string{"institution.yaml", "ranges.yaml", "products.yaml", "bureaus.yaml", "zones.yaml", "mappings.yaml", "schedules.yaml"}
	for _, pattern := range []string{"*.yaml", "*.yml", "products/*.yml", "bureaus/*.yml", "layouts/*.yml"} {
		files, err := fs.Glob(l.fsys, path.Join(l.dir, pattern))
		if err != nil {
			l.add(l.show(l.dir), 0, "cannot be listed")
		}
		for _, file := range files {
			if !slices.Contains(known, path.Base(file)) {
				l.add(l.show(file), 0, "is not a file of programs")
			}
		}
	}
}
