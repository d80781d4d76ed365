# Everything a contributor runs. `make demo` needs only Go; `make test` installs on Debian what it lacks.

GO       ?= go
CARDS    ?= 10000
DIR      ?= platen-demo
BENCH    ?= .
FUZZTIME ?= 10m
TAGS     := pkcs11
# The race detector watches everything but the translated C of SQLite, where it would spend most of the time. That package alone can be left out: it
# instantiates no generic code, of which the linker may take a copy without the detector for everybody.
RACE     := -race -gcflags='modernc.org/sqlite/lib=-race=false'
LINT     := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: build demo test faults fuzz check bench

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/platen ./cmd/platen

demo:
	$(GO) run ./cmd/platen demo --dir $(DIR) --cards $(CARDS)

# Some packages mostly wait, so three run at once. One PostgreSQL serves all; sshd is started by the tests that need it. Both end with the tests.
test:
	.ci/deps
	CGO_ENABLED=1 $(GO) run ./testbed/with $(GO) test -tags $(TAGS) $(RACE) -p 3 -timeout 30m ./jobs ./cmd/... ./...

# The whole fault matrix, which `test` runs a sample of; it writes docs/faults.md. SEED=N repeats the cases of a run.
faults:
	.ci/deps
	$(GO) test ./faults -run TestFaults -count 1 -timeout 2h -v -args -whole -report ../docs/faults.md $(if $(SEED),-seed $(SEED))

# Every reader of files with bytes that nobody wrote, FUZZTIME each, and the files of every return layout cut at twenty thousand places. `test` runs a sample of both.
fuzz:
	for reader in $$($(GO) test ./formats -list '^Fuzz' | grep '^Fuzz'); do \
		$(GO) test ./formats -run '^$$' -fuzz "^$$reader\$$" -fuzztime $(FUZZTIME) || exit 1; done
	$(GO) test ./formats -run Truncations -count 1 -v -args -truncations 20000

check:
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags $(TAGS) ./...
	$(GO) mod tidy -diff
	$(GO) mod verify
	$(GO) test ./tidy
	$(LINT) run ./...

bench:
	.ci/deps
	$(GO) run ./testbed/with $(GO) run ./cmd/platen bench
	CGO_ENABLED=1 $(GO) run ./testbed/with $(GO) test -tags $(TAGS) -run '^$$' -bench '$(BENCH)' -benchmem ./...
