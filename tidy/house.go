package tidy

import (
	"slices"
	"strings"
)

// house lists the folders from top to bottom: a package may import what stands below it, and its own folder.
var house = []string{
	"cmd", "bench", "samples", "api", "jobs", "bureau", "services", "batch", "delivery", "programs", "sql", "formats", "personalization", "hsm", "card", "fault",
}

// outbuildings serve tests; nothing of the program may need them.
var outbuildings = []string{"testbed", "faults", "scan", "tidy"}

// checkHouse holds imports to the order of the house. Tests may look anywhere.
func checkHouse(f *file, report reporter) {
	if f.syntax == nil {
		return
	}
	from, _, nested := strings.Cut(f.dir(), "/")
	rank := slices.Index(house, from)
	tool := slices.Contains(outbuildings, from)
	if rank < 0 && !tool {
		if f.dir() != "." || !f.isTest() {
			report(1, "folder %s has no place in the house", f.dir())
		}
		return
	}
	if from == "cmd" && !nested && !f.isTest() {
		report(1, "a command has a folder of its own")
	}
	if f.isTest() || tool {
		return
	}
	f.imports(func(imported string, line int) {
		inner, ours := strings.CutPrefix(imported, module+"/")
		if !ours {
			return
		}
		to, _, _ := strings.Cut(inner, "/")
		switch other := slices.Index(house, to); {
		case slices.Contains(outbuildings, to):
			report(line, "%s serves tests only", imported)
		case other < 0:
			report(line, "%s has no place in the house", imported)
		case other < rank:
			report(line, "%s imports %s, which stands above it", f.dir(), imported)
		}
	})
}
