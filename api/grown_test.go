package api_test

import (
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"platen/api"
	"platen/card"
	"platen/testbed"
)

// grownVariable names the environment variable that says how many cards the database of TestReadsOfAGrownDatabase has: the full size is ten million.
const grownVariable = "PLATEN_TEST_CARDS"

// The grown database: orders of ten thousand cards, files of fifty thousand, each line answered for.
const (
	grownCards  = 100_000
	grownOrder  = 10_000
	grownFile   = 50_000
	grownRead   = 50 * time.Millisecond // that the median of a read may take at full size
	grownRounds = 41
)

// grow multiplies one order of one card, which was made the ordinary way, with statements that copy its rows.
var grow = []string{
	`UPDATE pan_ranges SET size = next_sequence + $2::int, next_sequence = next_sequence + $2::int WHERE next_sequence > 0 AND $1 > 0`,
	`INSERT INTO orders (number, id, institution_id, reference, kind, state, requested, fulfilled, submitted_by, created_at)
		SELECT o.number + g, gen_random_uuid(), o.institution_id, 'GROWN-' || g, o.kind, 8, $1, $1, o.submitted_by, o.created_at FROM orders o, generate_series(1, $2::int / $1::int) g`,
	`INSERT INTO order_lines (order_number, unit, quantity, source_line, state, product_number, reason)
		SELECT l.order_number + g, 1, $1, 2, 2, l.product_number, l.reason FROM order_lines l, generate_series(1, $2::int / $1::int) g WHERE l.order_number % 1000000000 = 1`,
	`INSERT INTO files (number, id, institution_id, batch_number, purpose, bureau_number, bureau_version, bureau_code, product_number, product_version, layout_number, layout_version,
			keys, sequence, name, stamp, business_date, file_time, state, planned, minted, frozen, sealed, ack_read, produced, created_at)
		SELECT f.number + g, gen_random_uuid(), f.institution_id, f.batch_number, 1, f.bureau_number, f.bureau_version, f.bureau_code, f.product_number, f.product_version, f.layout_number,
			f.layout_version, f.keys, f.sequence + g, f.name || g, f.stamp, f.business_date, f.file_time, 11, $1, $1, TRUE, $1, $1, $1, f.created_at
		FROM files f, generate_series(1, $2::int / $1::int) g`,
	`INSERT INTO cards (id, product_number, order_number, status, newest_issue)
		SELECT c.id + g, c.product_number, c.order_number + (g - 1) / $1::int + 1, c.status, 1 FROM cards c, generate_series(1, $2::int) g`,
	`INSERT INTO issues (card_id, issue, order_number, order_unit, file_number, line, reason, expiry, psn, state, use_state, pvv, pin_offset, pin)
		SELECT i.card_id + g, 1, i.order_number + (g - 1) / 10000 + 1, 1, i.file_number + (g - 1) / $1::int + 1, (g - 1) % $1::int + 1, i.reason, i.expiry, i.psn, 5, i.use_state, i.pvv, i.pin_offset, i.pin
		FROM issues i, generate_series(1, $2::int) g`,
	`INSERT INTO file_slices (file_number, first_line, kind, source, first_unit, quantity, range_number, first_sequence)
		SELECT s.file_number + (g - 1) * 10000 / $1::int + 1, (g - 1) * 10000 % $1::int + 1, 1, s.source + g, 1, 10000, s.range_number, s.first_sequence + (g - 1) * 10000 + 1
		FROM file_slices s, generate_series(1, $2::int / 10000) g`,
	`INSERT INTO return_files (number, id, institution_id, bureau_number, bureau_code, name, size, modified, state, archived, lines, cursor_line, applied, created_at)
		SELECT f.number, gen_random_uuid(), f.institution_id, f.bureau_number, f.bureau_code, f.name, 1, 1, 6, TRUE, $1, $1, $1, f.created_at FROM files f WHERE f.planned = $1 AND $2 > 0`,
	`INSERT INTO return_lines (return_number, line, file_number, file_line, status, outcome, occurred_at, recorded_at)
		SELECT r.number, g, r.number, g, 'PRODUCED', 1, r.created_at, r.created_at FROM return_files r, generate_series(1, $1::int) g WHERE $2 > 0`,
	`INSERT INTO events (institution_id, object_kind, object_number, kind, data, recorded_at)
		SELECT f.institution_id, 'file', f.number, k, '{}', f.created_at FROM files f, unnest(ARRAY['planned', 'BUILDING', 'SEALED', 'SENT', 'BALANCED']) k WHERE $1 > 0 AND $2 > 0`,
}

// TestReadsOfAGrownDatabase measures what people and programs ask for, in a database with many cards. It runs at a size that costs little; at full size, which
// PLATEN_TEST_CARDS=10000000 asks for, the median of each read must stay under 50 ms.
func TestReadsOfAGrownDatabase(t *testing.T) {
	cards := grownCards
	if text := os.Getenv(grownVariable); text != "" {
		var err error
		if cards, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	cards -= cards % grownFile
	s := newSite(t, testbed.Postgres(t), api.Config{})
	if err := s.plant.Store.EnsureMonths(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	o := decode[api.Order](s.submit(s.mine, "SEED", massCSV(1)).want(http.StatusCreated))
	files := s.produce(s.mine)
	db := s.plant.Store.DB()
	for _, statement := range grow {
		part := grownFile
		if statement == grow[1] || statement == grow[2] || statement == grow[4] {
			part = grownOrder
		}
		began := time.Now()
		r, err := db.ExecContext(t.Context(), statement, part, cards)
		if err != nil {
			t.Fatalf("%v\n%s", err, statement)
		}
		n, err := r.RowsAffected()
		if err != nil || n == 0 {
			t.Fatalf("%d rows, %v\n%s", n, err, statement)
		}
		t.Logf("%9d rows in %s: %.40s", n, time.Since(began).Round(time.Millisecond), statement)
	}
	for _, statement := range []string{`UPDATE files SET state = 11, produced = planned, ack_read = planned WHERE state < 11`, `VACUUM ANALYZE`, `CHECKPOINT`} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var first card.ID
	if err := db.QueryRowContext(t.Context(), `SELECT min(id) FROM cards`).Scan(&first); err != nil {
		t.Fatal(err)
	}
	reads := grownReads{s: s, first: first, cards: cards, order: o.ID, file: files[0].ID.String()}
	for _, r := range reads.all() {
		took := make([]time.Duration, grownRounds)
		for i := range took {
			began := time.Now()
			r.read(i)
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		t.Logf("%-28s median %8s, slowest %8s", r.what, took[grownRounds/2].Round(10*time.Microsecond), took[grownRounds-1].Round(10*time.Microsecond))
		if cards >= 10_000_000 && took[grownRounds/2] > grownRead {
			t.Errorf("%s takes %s", r.what, took[grownRounds/2])
		}
	}
}

type grownReads struct {
	s           *site
	first       card.ID
	cards       int
	order, file string
}

type grownReading struct {
	what string
	read func(n int)
}

func (g grownReads) all() []grownReading {
	s := g.s
	ask := func(path string) {
		a, err := s.send(s.request(s.mine, http.MethodGet, path, nil))
		if err != nil {
			s.t.Fatal(err)
		}
		a.want(http.StatusOK)
	}
	get := func(path string) func(int) {
		s.get(s.mine, path).want(http.StatusOK) // once held against the document, which takes longer than the answer
		return func(int) { ask(path) }
	}
	return []grownReading{
		{"card explain", func(n int) {
			token := g.token(n)
			story, err := s.plant.ExplainCard(s.t.Context(), s.mine.institution, token)
			if err != nil || len(story.Issues) != 1 {
				s.t.Fatalf("explain: %+v, %v", story, err)
			}
		}},
		{"books", func(int) {
			b, err := s.plant.Balance(s.t.Context(), s.mine.institution)
			if err != nil || !b.Balanced || b.Requested < int64(g.cards) {
				s.t.Fatalf("books: %d requested, balanced %t, %v", b.Requested, b.Balanced, err)
			}
		}},
		{"file list", func(int) {
			files, err := s.plant.Store.Files(s.t.Context(), s.mine.institution.ID, 0, 50)
			if err != nil || len(files) == 0 {
				s.t.Fatalf("%d files, %v", len(files), err)
			}
		}},
		{"GET /v1/cards/{token}", func(n int) { ask("/v1/cards/" + g.token(n)) }},
		{"GET /v1/orders", get("/v1/orders")},
		{"GET /v1/orders/{id}", get("/v1/orders/" + g.order)},
		{"GET /v1/orders/{id}/lines", get("/v1/orders/" + g.order + "/lines")},
		{"GET /v1/files", get("/v1/files")},
		{"GET /v1/files/{id}", get("/v1/files/" + g.file)},
		{"GET /v1/books", get("/v1/books")},
	}
}

// token names a card somewhere in the database.
func (g grownReads) token(n int) string {
	g.s.t.Helper()
	token, err := g.s.plant.Token(g.s.t.Context(), g.first+1+card.ID(n*g.cards/grownRounds))
	if err != nil {
		g.s.t.Fatal(err)
	}
	return token
}
