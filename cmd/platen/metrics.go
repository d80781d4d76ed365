package main

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"platen/batch"
	"platen/card"
	"platen/hsm"
	"platen/sql/store"
)

// metrics are what a process counts, from zero, and what it looks up in the database when asked. No label carries customer text.
type metrics struct {
	app       *app
	registry  *prometheus.Registry
	cards     prometheus.Counter
	moves     *prometheus.CounterVec
	delivered *prometheus.CounterVec
	lines     *prometheus.CounterVec
	module    *prometheus.CounterVec
	files     *prometheus.Desc
	inFiles   *prometheus.Desc
	orders    *prometheus.Desc
	left      *prometheus.Desc
	days      *prometheus.Desc
	due       *prometheus.Desc
	returns   *prometheus.Desc
	inbox     *prometheus.Desc
}

// moduleCalls are the operations of a security module that are counted.
var moduleCalls = []string{"codes", "generate_pins", "derive_pins", "pvvs", "offsets", "transfer_pins", "export_pins", "block_pvvs", "check_blocks"}

func newMetrics(a *app) *metrics {
	m := &metrics{app: a, registry: prometheus.NewRegistry(),
		cards:     prometheus.NewCounter(prometheus.CounterOpts{Name: "platen_issues_minted_total", Help: "Card issues made by this process."}),
		moves:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "platen_file_moves_total", Help: "Files that entered a state."}, []string{"state"}),
		delivered: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "platen_deliveries_total", Help: "Attempts to send a file, by result."}, []string{"result"}),
		lines:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "platen_return_lines_total", Help: "Return lines, by what became of them."}, []string{"outcome"}),
		module:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "platen_module_calls_total", Help: "Calls of the security module."}, []string{"operation", "result"}),
		files:     prometheus.NewDesc("platen_files", "Files by state.", []string{"state"}, nil),
		inFiles:   prometheus.NewDesc("platen_cards", "Cards in card files, by what is known of them.", []string{"fate"}, nil),
		orders:    prometheus.NewDesc("platen_orders", "Orders by state.", []string{"state"}, nil),
		left:      prometheus.NewDesc("platen_range_numbers_left", "Card numbers left in a PAN range.", []string{"range"}, nil),
		days:      prometheus.NewDesc("platen_range_days_left", "Days that a PAN range lasts at the pace of the last thirty; -1 where nothing was used.", []string{"range"}, nil),
		returns:   prometheus.NewDesc("platen_return_files", "Return files by state.", []string{"state"}, nil),
		inbox:     prometheus.NewDesc("platen_inbox", "What needs a person, by alarm.", []string{"what"}, nil),
		due:       prometheus.NewDesc("platen_queue_due", "Work that waits for a worker.", []string{"work"}, nil),
	}
	for _, s := range card.FileStates() {
		m.moves.WithLabelValues(s.String())
	}
	for _, result := range []string{"delivered", "failed"} {
		m.delivered.WithLabelValues(result)
	}
	for _, o := range []store.Outcome{store.LineApplied, store.LineDuplicate, store.LineRejected, store.LineQuarantined} {
		m.lines.WithLabelValues(o.String())
	}
	for _, call := range moduleCalls {
		m.module.WithLabelValues(call, "ok")
		m.module.WithLabelValues(call, "failed")
	}
	m.registry.MustRegister(m.cards, m.moves, m.delivered, m.lines, m.module, m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// CardsMinted implements batch.Observer.
func (m *metrics) CardsMinted(n int) { m.cards.Add(float64(n)) }

// FileMoved implements batch.Observer.
func (m *metrics) FileMoved(to card.FileState) { m.moves.WithLabelValues(to.String()).Inc() }

// Delivered implements batch.Observer.
func (m *metrics) Delivered(_ string, ok bool) {
	result := "failed"
	if ok {
		result = "delivered"
	}
	m.delivered.WithLabelValues(result).Inc()
}

// ReturnLine implements batch.Observer.
func (m *metrics) ReturnLine(o store.Outcome) { m.lines.WithLabelValues(o.String()).Inc() }

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- m.files
	ch <- m.inFiles
	ch <- m.orders
	ch <- m.left
	ch <- m.days
	ch <- m.due
	ch <- m.returns
	ch <- m.inbox
}

// Collect implements prometheus.Collector: it counts in the database. A database that does not answer shows as an invalid metric.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	counts, err := m.app.store.FileCounts(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(m.files, err)
		return
	}
	for _, s := range card.FileStates() {
		ch <- prometheus.MustNewConstMetric(m.files, prometheus.GaugeValue, float64(counts[s]), s.String())
	}
	cards, err := m.app.store.CardSums(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(m.inFiles, err)
		return
	}
	for fate, n := range map[string]int64{"planned": cards.Planned, "minted": cards.Minted, "produced": cards.Produced, "rejected": cards.Rejected, "spoiled": cards.Spoiled} {
		ch <- prometheus.MustNewConstMetric(m.inFiles, prometheus.GaugeValue, float64(n), fate)
	}
	orders, err := m.app.store.OrderCounts(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(m.orders, err)
		return
	}
	for _, s := range card.OrderStates() {
		ch <- prometheus.MustNewConstMetric(m.orders, prometheus.GaugeValue, float64(orders[s]), s.String())
	}
	m.collectRanges(ctx, ch)
	m.collectInbox(ctx, ch)
	returns, err := m.app.store.ReturnCounts(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(m.returns, err)
		return
	}
	for _, s := range card.ReturnStates() {
		ch <- prometheus.MustNewConstMetric(m.returns, prometheus.GaugeValue, float64(returns[s]), s.String())
	}
	due, err := m.app.store.Due(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(m.due, err)
		return
	}
	for work, n := range map[string]int64{"build": due.Build, "send": due.Send, "return": due.Return} {
		ch <- prometheus.MustNewConstMetric(m.due, prometheus.GaugeValue, float64(n), work)
	}
}

// collectInbox counts what needs a person, by kind: every kind is there, so that an alarm can be set on it before it first occurs.
func (m *metrics) collectInbox(ctx context.Context, ch chan<- prometheus.Metric) {
	counts := map[string]int{}
	for _, what := range batch.Alarms() {
		counts[what] = 0
	}
	institutions, err := m.app.store.Institutions(ctx)
	for _, i := range institutions {
		var items []batch.Item
		if items, err = m.app.plant.Attention(ctx, i); err != nil {
			break
		}
		for _, x := range items {
			counts[x.What]++
		}
	}
	if err != nil {
		ch <- prometheus.NewInvalidMetric(m.inbox, err)
		return
	}
	for what, n := range counts {
		ch <- prometheus.MustNewConstMetric(m.inbox, prometheus.GaugeValue, float64(n), what)
	}
}

func (m *metrics) collectRanges(ctx context.Context, ch chan<- prometheus.Metric) {
	all, err := m.app.plant.Outlooks(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(m.left, err)
		return
	}
	for _, o := range all {
		ch <- prometheus.MustNewConstMetric(m.left, prometheus.GaugeValue, float64(o.Left()), o.Code)
		ch <- prometheus.MustNewConstMetric(m.days, prometheus.GaugeValue, o.DaysLeft, o.Code)
	}
}

// watching wraps a module so that its calls are counted and its uses of keys noted.
func (m *metrics) watching(inner hsm.Module, uses *keyUses) hsm.Module {
	return &watchedModule{Module: inner, calls: m.module, uses: uses}
}

type watchedModule struct {
	hsm.Module
	calls *prometheus.CounterVec
	uses  *keyUses
}

func (c *watchedModule) count(call string, err error, keys ...card.KeyRef) error {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	c.calls.WithLabelValues(call, result).Inc()
	c.uses.note(call, err, keys...)
	return err
}

// Codes implements hsm.Module.
func (c *watchedModule) Codes(ctx context.Context, cvk card.KeyRef, in []hsm.CodeRequest, out card.Secrets) error {
	return c.count("codes", c.Module.Codes(ctx, cvk, in, out), cvk)
}

// CSCs implements hsm.Module.
func (c *watchedModule) CSCs(ctx context.Context, csck card.KeyRef, pans []card.PAN, expiries []card.Expiry, out card.Secrets) error {
	return c.count("cscs", c.Module.CSCs(ctx, csck, pans, expiries, out), csck)
}

// GeneratePINs implements hsm.Module.
func (c *watchedModule) GeneratePINs(ctx context.Context, storage card.KeyRef, length int, pans []card.PAN, objects []uint64, out []hsm.PIN) error {
	return c.count("generate_pins", c.Module.GeneratePINs(ctx, storage, length, pans, objects, out), storage)
}

// DerivePINs implements hsm.Module.
func (c *watchedModule) DerivePINs(ctx context.Context, storage, pvk card.KeyRef, scheme hsm.IBM3624, pans []card.PAN, out []hsm.PIN) error {
	return c.count("derive_pins", c.Module.DerivePINs(ctx, storage, pvk, scheme, pans, out), storage, pvk)
}

// PVVs implements hsm.Module.
func (c *watchedModule) PVVs(ctx context.Context, storage, pvk card.KeyRef, pvki int, pans []card.PAN, pins []hsm.PIN, out []hsm.PVV) error {
	return c.count("pvvs", c.Module.PVVs(ctx, storage, pvk, pvki, pans, pins, out), storage, pvk)
}

// Offsets implements hsm.Module.
func (c *watchedModule) Offsets(ctx context.Context, storage, pvk card.KeyRef, scheme hsm.IBM3624, pans []card.PAN, pins []hsm.PIN, out []hsm.Offset) error {
	return c.count("offsets", c.Module.Offsets(ctx, storage, pvk, scheme, pans, pins, out), storage, pvk)
}

// TransferPINs implements hsm.Module.
func (c *watchedModule) TransferPINs(ctx context.Context, storage card.KeyRef, from []card.PAN, pins []hsm.PIN, to []card.PAN, out []hsm.PIN) error {
	return c.count("transfer_pins", c.Module.TransferPINs(ctx, storage, from, pins, to, out), storage)
}

// ExportPINs implements hsm.Module.
func (c *watchedModule) ExportPINs(ctx context.Context, storage, zpk card.KeyRef, format hsm.PINFormat, pans []card.PAN, pins []hsm.PIN, accounts []card.PAN, out card.Secrets) error {
	return c.count("export_pins", c.Module.ExportPINs(ctx, storage, zpk, format, pans, pins, accounts, out), storage, zpk)
}

// BlockPVVs implements hsm.Module.
func (c *watchedModule) BlockPVVs(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, accounts []card.PAN, blocks card.Secrets, pvk card.KeyRef, pvki int, out []hsm.PVV) error {
	return c.count("block_pvvs", c.Module.BlockPVVs(ctx, zpk, format, accounts, blocks, pvk, pvki, out), zpk, pvk)
}

// CheckBlocks implements hsm.Module.
func (c *watchedModule) CheckBlocks(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, accounts []card.PAN, blocks card.Secrets, length int) error {
	return c.count("check_blocks", c.Module.CheckBlocks(ctx, zpk, format, accounts, blocks, length), zpk)
}

// ImportPINs implements hsm.Module.
func (c *watchedModule) ImportPINs(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, use hsm.PINUse, length int, pans []card.PAN, blocks card.Secrets, storage card.KeyRef, out []hsm.PIN) error {
	return c.count("import_pins", c.Module.ImportPINs(ctx, zpk, format, use, length, pans, blocks, storage, out), zpk, storage)
}

// EncryptData implements hsm.Module.
func (c *watchedModule) EncryptData(ctx context.Context, zek card.KeyRef, mode hsm.DataMode, data, out card.Secrets) error {
	return c.count("encrypt_data", c.Module.EncryptData(ctx, zek, mode, data, out), zek)
}

// DecryptData implements hsm.Module.
func (c *watchedModule) DecryptData(ctx context.Context, zek card.KeyRef, mode hsm.DataMode, data, out card.Secrets) error {
	return c.count("decrypt_data", c.Module.DecryptData(ctx, zek, mode, data, out), zek)
}

// TakePINs implements hsm.PINTaker, where the module does.
func (c *watchedModule) TakePINs(ctx context.Context, use hsm.PINUse, length int, pans []card.PAN, digits []card.Secret, storage card.KeyRef, out []hsm.PIN) error {
	taker, ok := c.Module.(hsm.PINTaker)
	if !ok {
		return hsm.ErrClearPIN
	}
	return c.count("take_pins", taker.TakePINs(ctx, use, length, pans, digits, storage, out), storage)
}
