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

.PHONY: build demo test faults fuzz proofs check bench

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/platen ./cmd/platen

demo:
	$(GO) run ./cmd/platen demo --dir $(DIR) --cards $(CARDS)

# Some packages mostly wait, so three run at once. One PostgreSQL serves all; sshd is started by the tests that need it. Both end with the tests. The tests'
# heaps are small: let them grow, and the collector takes an eighth less of the time.
test:
	.ci/deps
	GOGC=300 CGO_ENABLED=1 $(GO) run ./testbed/with $(GO) test -tags $(TAGS) $(RACE) -p 3 -timeout 30m ./jobs ./cmd/... ./...

# The whole fault matrix, which `test` runs a sample of; it writes docs/faults.md. SEED=N repeats the cases of a run; ROWS=kill,disk rehearses those rows and leaves
# the others as they stand.
faults:
	.ci/deps
	$(GO) test ./faults -run TestFaults -count 1 -timeout 2h -v -args -whole -report ../docs/faults.md $(if $(SEED),-seed $(SEED)) $(if $(ROWS),-rows $(ROWS))

# Every reader of bytes that come from others, FUZZTIME each: files, key blocks, PIN blocks, security modules' answers, known answers, signatures. Then the files of every
# return layout cut at twenty thousand places. `test` runs a sample of both.
fuzz:
	for package in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do \
		for reader in $$($(GO) test $$package -list '^Fuzz' | grep '^Fuzz'); do \
			$(GO) test $$package -run '^$$' -fuzz "^$$reader\$$" -fuzztime $(FUZZTIME) || exit 1; done; done
	$(GO) test ./formats -run Truncations -count 1 -v -args -truncations 20000

# A random walk of a million operations on cards against a model, a hundred thousand requests of 64 clients, and hostile requests to every operation. `test` runs a few of each.
proofs:
	.ci/deps
	$(GO) run ./testbed/with $(GO) test ./jobs -run TestARandomWalk -count 1 -timeout 6h -v -args -walk 1000000 $(if $(SEED),-walk-seed $(SEED))
	$(GO) run ./testbed/with $(GO) test ./api -run 'TestOfWhatACrowd|TestNoHostile' -count 1 -timeout 6h -v -args -crowd 100000 -hostile 200 $(if $(SEED),-seed $(SEED))

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
	CGO_ENABLED=1 $(GO) run ./testbed/with $(GO) test -tags $(TAGS) -run '^$$' -bench '$(BENCH)' -benchmem -timeout 1h ./...
