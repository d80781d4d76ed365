package tidy

import (
	"bytes"
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

// Limits of size.
const (
	maxFunctionLines = 80
	maxFileLines     = 500
)

// rule is one habit: check reports its breaches in a file.
type rule struct {
	name  string
	check func(f *file, report reporter)
}

type reporter func(line int, format string, args ...any)

func rules() []rule {
	return []rule{
		{"house", checkHouse},
		{"ciphers", checkCiphers},
		{"private keys", checkPrivateKeys},
		{"PGP", checkPGP},
		{"host keys", checkHostKeys},
		{"weak randomness", checkRandomness},
		{"package names", checkPackageNames},
		{"no init", checkInit},
		{"no sleep in tests", checkSleep},
		{"no skipped tests", checkSkip},
		{"function length", checkFunctionLength},
		{"file length", checkFileLength},
		{"unfinished work", checkUnfinished},
		{"machine paths", checkMachinePaths},
		{"registry hosts", checkRegistryHosts},
	}
}

// checkCiphers keeps block ciphers behind the security boundary, tests included.
func checkCiphers(f *file, report reporter) {
	f.imports(func(imported string, line int) {
		switch imported {
		case "crypto/des", "crypto/aes", "crypto/cipher", "crypto/rc4":
			if !f.below("hsm") {
				report(line, "%s is imported outside of hsm", imported)
			}
		}
	})
}

// checkPrivateKeys keeps private keys where a key is held or a connection is made.
func checkPrivateKeys(f *file, report reporter) {
	if f.isTest() || f.below("hsm", "delivery", "api", "bureau", "testbed") {
		return
	}
	f.imports(func(imported string, line int) {
		switch imported {
		case "crypto/rsa", "crypto/ecdsa", "crypto/ed25519", "crypto/ecdh", "crypto/dsa":
			report(line, "%s is imported where no private key belongs", imported)
		}
	})
	f.selectors(func(left, name string, line int) {
		switch left + "." + name {
		case "ssh.ParsePrivateKey", "ssh.ParsePrivateKeyWithPassphrase", "ssh.ParseRawPrivateKey", "ssh.ParseRawPrivateKeyWithPassphrase",
			"ssh.NewSignerFromKey", "ssh.NewSignerFromSigner", "x509.ParsePKCS1PrivateKey", "x509.ParsePKCS8PrivateKey", "x509.ParseECPrivateKey":
			report(line, "%s.%s is used where no private key belongs", left, name)
		case "tls.LoadX509KeyPair", "tls.X509KeyPair":
			if !f.below("cmd") {
				report(line, "%s.%s is used where no private key belongs", left, name)
			}
		}
	})
}

// checkPGP keeps OpenPGP in delivery, which protects files.
func checkPGP(f *file, report reporter) {
	f.imports(func(imported string, line int) {
		if pgp := strings.Contains(imported, "gopenpgp") || strings.Contains(imported, "openpgp") || strings.Contains(imported, "go-crypto"); pgp && !f.below("delivery") {
			report(line, "%s is imported outside of delivery", imported)
		}
	})
}

// checkHostKeys forbids to accept any SSH server, tests included.
func checkHostKeys(f *file, report reporter) {
	f.selectors(func(_, name string, line int) {
		if name == "InsecureIgnore"+"HostKey" {
			report(line, "a host key is not checked")
		}
	})
}

// checkRandomness forbids predictable numbers: there is no use for them beside secrets, so there is no exception.
func checkRandomness(f *file, report reporter) {
	f.imports(func(imported string, line int) {
		if strings.HasPrefix(imported, "math/rand") && !f.isTest() {
			report(line, "%s is imported; take crypto/rand or a keyed function", imported)
		}
	})
}

func checkPackageNames(f *file, report reporter) {
	if f.syntax == nil {
		return
	}
	name := strings.TrimSuffix(f.syntax.Name.Name, "_test")
	if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc", "base", "lib"}, name) {
		report(f.line(f.syntax.Name.Pos()), "package %s says nothing about what it is", name)
	}
}

func checkInit(f *file, report reporter) {
	f.functions(func(fn *ast.FuncDecl) {
		if fn.Recv == nil && fn.Name.Name == "init" {
			report(f.line(fn.Pos()), "a function runs by itself")
		}
	})
}

func checkSleep(f *file, report reporter) {
	if !f.isTest() && !f.below("testbed") {
		return
	}
	f.selectors(func(left, name string, line int) {
		if left == "time" && name == "Sleep" {
			report(line, "a test sleeps; wait for what is awaited")
		}
	})
}

func checkSkip(f *file, report reporter) {
	if !f.isTest() && !f.below("testbed") {
		return
	}
	f.selectors(func(left, name string, line int) {
		skip := slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, name) && slices.Contains([]string{"t", "b", "f", "tb", "testing"}, left)
		if skip || left == "testing" && name == "Short" {
			report(line, "a test may leave itself out; a missing dependency is a failure")
		}
	})
}

func checkFunctionLength(f *file, report reporter) {
	if f.isTest() || f.generated() {
		return
	}
	f.functions(func(fn *ast.FuncDecl) {
		if lines := f.line(fn.End()) - f.line(fn.Pos()) + 1; lines > maxFunctionLines {
			report(f.line(fn.Pos()), "%s has %d lines, more than %d", fn.Name.Name, lines, maxFunctionLines)
		}
	})
}

func checkFileLength(f *file, report reporter) {
	if lines := bytes.Count(f.content, []byte("\n")); f.syntax != nil && !f.generated() && lines > maxFileLines {
		report(lines, "the file has %d lines, more than %d", lines, maxFileLines)
	}
}

// The patterns are put together from parts so that this file does not match itself.
var (
	unfinished    = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
	machinePaths  = regexp.MustCompile(`(^|[^\w./-])(/ro` + `ot/|/ho` + `me/\w|/Us` + `ers/\w|/wo` + `rk/|[A-Z]:\\Us` + `ers)`)
	registryHosts = regexp.MustCompile(`(?i)(\bGOPROXY\s*=|\bGOSUMDB\s*=|\bGONOSUMDB\s*=|index-url|artifactory|jfrog|verdaccio|nexus\d*\.|goproxy\.|proxy\.golang|://[\w.-]+\.(internal|corp|lan)\b)`)
)

func checkUnfinished(f *file, report reporter) { checkText(f, unfinished, report) }

func checkMachinePaths(f *file, report reporter) { checkText(f, machinePaths, report) }

func checkRegistryHosts(f *file, report reporter) {
	if f.path != "tidy/rules.go" {
		checkText(f, registryHosts, report)
	}
}

// checkText reports every line that matches. Facts copied for known answers may hold any text.
func checkText(f *file, pattern *regexp.Regexp, report reporter) {
	if strings.Contains(f.path, "/testdata/fuzz/") {
		return
	}
	number := 0
	for line := range bytes.Lines(f.content) {
		number++
		if found := pattern.Find(line); found != nil {
			report(number, "%q does not belong into a file", strings.TrimSpace(string(found)))
		}
	}
}
