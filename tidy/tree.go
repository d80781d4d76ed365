package tidy

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// module is the import path of the root.
const module = "platen"

// Finding is one breach of a rule.
type Finding struct {
	Rule string
	Path string
	Line int
	What string
}

// String is path:line: what (rule).
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s (%s)", f.Path, f.Line, f.What, f.Rule)
}

// file is one text file of the tree.
type file struct {
	path    string // slashes, relative to the root
	content []byte
	syntax  *ast.File // nil when it is not Go
	set     *token.FileSet
}

// dir is the package's folder.
func (f *file) dir() string { return path.Dir(f.path) }

// below tells whether the file lies in one of the folders.
func (f *file) below(folders ...string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return strings.HasPrefix(f.path, folder+"/") })
}

func (f *file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// generated tells whether a tool wrote the file.
func (f *file) generated() bool { return f.syntax != nil && ast.IsGenerated(f.syntax) }

func (f *file) line(pos token.Pos) int { return f.set.Position(pos).Line }

// imports calls each for every import.
func (f *file) imports(each func(path string, line int)) {
	if f.syntax == nil {
		return
	}
	for _, spec := range f.syntax.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err == nil {
			each(imported, f.line(spec.Pos()))
		}
	}
}

// selectors calls each for every name reached through another: pkg.Name, value.Method.
func (f *file) selectors(each func(left, name string, line int)) {
	if f.syntax == nil {
		return
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			left := ""
			if x, ok := s.X.(*ast.Ident); ok {
				left = x.Name
			}
			each(left, s.Sel.Name, f.line(s.Sel.Pos()))
		}
		return true
	})
}

// functions calls each for every declared function.
func (f *file) functions(each func(fn *ast.FuncDecl)) {
	if f.syntax == nil {
		return
	}
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			each(fn)
		}
	}
}

// Check reads the tree at root and returns every breach of every rule, by path and line.
func Check(root string) ([]Finding, error) {
	names, err := list(root)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, name := range names {
		f, err := read(root, name)
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		for _, r := range rules() {
			r.check(f, func(line int, format string, args ...any) {
				findings = append(findings, Finding{Rule: r.name, Path: name, Line: line, What: fmt.Sprintf(format, args...)})
			})
		}
	}
	return findings, nil
}

// list names the files that Git keeps or would keep; without Git, all files.
func list(root string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		git := exec.Command("git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
		out, err := git.Output()
		if err != nil {
			return nil, fmt.Errorf("list the files of the tree: %w", err)
		}
		names := strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
		slices.Sort(names)
		return slices.Compact(names), nil
	}
	var names []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		relative, err := filepath.Rel(root, name)
		names = append(names, filepath.ToSlash(relative))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the files of the tree: %w", err)
	}
	return names, nil
}

// read returns a text file, parsed when it is Go; nil for binary files and for ones that are gone from disk.
func read(root, name string) (*file, error) {
	full := filepath.Join(root, filepath.FromSlash(name))
	info, err := os.Lstat(full)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the tree: %w", err)
	}
	content, err := os.ReadFile(full)
	if err != nil {
		return nil, fmt.Errorf("read the tree: %w", err)
	}
	if bytes.IndexByte(content, 0) >= 0 {
		return nil, nil
	}
	f := &file{path: name, content: content, set: token.NewFileSet()}
	if path.Ext(name) == ".go" {
		f.syntax, err = parser.ParseFile(f.set, name, content, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", name, err)
		}
	}
	return f, nil
}
