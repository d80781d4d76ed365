package api_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"platen/api"
	"platen/sql/store"
)

var seed = flag.Uint64("seed", 1, "what the dice of the crowd and of hostile requests begin with")

var crowdSize = flag.Int("crowd", 150, "how many requests a crowd of 64 clients sends to a site on each database")

// deed is something that a member of the crowd asks for once, whatever becomes of the request.
type deed struct {
	reference string
	method    string
	path      string
	kind      string
	body      string
	other     deedChange // what makes it another one
	cards     int        // that it asks for
	made      bool       // a card is made at once
	card      string     // that it is about
}

// deedChange is a path or a body that differs from the one that was asked first.
type deedChange struct{ path, body string }

// crowd is many clients of two institutions at once, and what must have come of what they did.
type crowd struct {
	*site
	turn    atomic.Int64
	mu      sync.Mutex
	deeds   map[bool][]*deed    // of my institution, and of theirs
	created map[*deed][]string  // ids of the orders that were made, once for each 201
	told    map[*deed][2]string // order and card that the first answer named
	blocked map[string]int      // cards, by how many times they were blocked for the first time
	count   [5]int64
	stocked map[bool][]string // cards that have left
	secret  map[bool][]string // what belongs to an institution
}

// member is one client of the crowd.
type member struct {
	*crowd
	client
	mine   bool
	name   string
	dice   *rand.Rand
	signer *signer
	cards  []string
	n      int
}

// TestOfWhatACrowdSendsAgainOrAlteredEachTakesEffectOnce has 64 clients of two institutions order, replace and block cards at the same time. Three in ten requests are sent again,
// one in twenty is changed on its way, and one in ten asks for what belongs to the other institution.
func TestOfWhatACrowdSendsAgainOrAlteredEachTakesEffectOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		c := &crowd{site: s, deeds: map[bool][]*deed{}, created: map[*deed][]string{}, told: map[*deed][2]string{}, blocked: map[string]int{}, stocked: map[bool][]string{}, secret: map[bool][]string{}}
		const clients = 64
		own := max(2, *crowdSize/clients/10)
		for _, mine := range []bool{true, false} {
			c.stock(mine, own*clients/2)
		}
		var all sync.WaitGroup
		for i := range clients {
			m := c.member(i, own)
			all.Go(func() {
				for c.turn.Add(1) <= int64(*crowdSize) && !t.Failed() {
					m.act()
				}
			})
		}
		all.Wait()
		for line := range strings.Lines(s.log.String()) {
			if strings.Contains(line, `"level":"error"`) {
				t.Error("the server says ", line)
			}
		}
		c.judge()
		t.Logf("%d new, %d again, %d altered, %d of the other institution, %d blocks", c.count[0], c.count[1], c.count[2], c.count[3], c.count[4])
	})
}

func (c *crowd) of(mine bool) client {
	if mine {
		return c.mine
	}
	return c.theirs
}

// stock makes cards that have left, for the crowd to act on.
func (c *crowd) stock(mine bool, n int) {
	c.t.Helper()
	by := c.of(mine)
	o := decode[api.Order](c.submit(by, "STOCK", fmt.Sprintf("product,quantity\nprepaid-mag,%d\n", n)).want(http.StatusCreated))
	files := c.produce(by)
	c.sent(files)
	c.secret[mine] = append(c.secret[mine], "/v1/orders/"+o.ID, "/v1/orders/"+o.ID+"/lines", "/v1/files/"+files[0].ID.String())
	for i := range n {
		token := decode[api.Card](c.get(by, fmt.Sprintf("/v1/cards/STOCK%%23%d", i+1)).want(http.StatusOK)).Token
		c.stocked[mine] = append(c.stocked[mine], token)
		c.secret[mine] = append(c.secret[mine], "/v1/cards/"+token)
	}
}

func (c *crowd) member(i, own int) *member {
	c.t.Helper()
	mine := i%2 == 0
	m := &member{crowd: c, client: c.of(mine), mine: mine, name: fmt.Sprintf("client-%d", i), dice: rand.New(rand.NewPCG(*seed, uint64(i)))}
	if i%8 < 2 {
		s := c.secretSigner(m.client, m.name)
		m.signer = &s
	}
	m.key = c.addBearer(store.Client{Institution: m.institution.ID, Name: m.name + "-bearer", Roles: "submit,operate", Rate: 1_000_000})
	first := i / 2 * own
	m.cards = c.stocked[mine][first : first+own]
	return m
}

func (m *member) act() {
	switch n := m.dice.IntN(20); {
	case n < 6:
		m.again()
	case n == 6:
		m.alter()
	case n < 9:
		m.guess()
	case n == 9:
		m.block()
	default:
		m.begin()
	}
}

// begin asks for something new.
func (m *member) begin() {
	m.n++
	d := &deed{reference: fmt.Sprintf("%s-%d", m.name, m.n), method: http.MethodPost, kind: "application/json"}
	switch n := m.dice.IntN(10); {
	case n < 2:
		d.path, d.kind, d.cards = "/v1/orders?reference="+d.reference, "text/csv", 1+m.dice.IntN(3)
		d.body, d.other = massCSV(d.cards), deedChange{body: massCSV(d.cards + 1)}
	case n < 4 && len(m.cards) > 0:
		d.card, m.cards = m.cards[0], m.cards[1:]
		d.path, d.cards, d.body = "/v1/cards/"+d.card+"/replacements", 1, fmt.Sprintf(`{"reference":%q,"reason":"DAMAGED"}`, d.reference)
		d.other = deedChange{body: strings.Replace(d.body, "DAMAGED", "STOLEN", 1)}
		if m.dice.IntN(2) == 0 {
			all := m.stocked[m.mine]
			d.other = deedChange{path: "/v1/cards/" + all[(slices.Index(all, d.card)+1)%len(all)] + "/replacements"}
		}
	default:
		d.path, d.cards, d.made = "/v1/cards", 1, n%2 == 0
		d.body = fmt.Sprintf(`{"reference":%q,"product":"prepaid-mag","instant":%t}`, d.reference, d.made)
		d.other = deedChange{body: fmt.Sprintf(`{"reference":%q,"product":"prepaid-mag","instant":%t}`, d.reference, !d.made)}
	}
	m.mu.Lock()
	m.deeds[m.mine] = append(m.deeds[m.mine], d)
	m.count[0]++
	m.mu.Unlock()
	m.ask(d)
}

// again repeats what somebody of the institution has asked for, perhaps while the first request is under way.
func (m *member) again() {
	if d := m.some(1); d != nil {
		m.ask(d)
	}
}

func (m *member) some(counter int) *deed {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.deeds[m.mine]
	if len(all) == 0 {
		return nil
	}
	m.count[counter]++
	return all[len(all)-1-m.dice.IntN(min(len(all), 100))]
}

// ask sends a deed until it is no longer in flight, and keeps what was answered.
func (m *member) ask(d *deed) {
	for !m.t.Failed() {
		a := m.post(d, d.path, d.body, false)
		if a.status == http.StatusConflict {
			continue
		}
		if a.status != http.StatusCreated && a.status != http.StatusOK {
			m.t.Errorf("%s %s: %d %s", d.path, d.body, a.status, a.body)
			return
		}
		order, token := m.named(d, a)
		m.mu.Lock()
		defer m.mu.Unlock()
		if a.status == http.StatusCreated {
			m.created[d] = append(m.created[d], order)
		}
		if before, ok := m.told[d]; ok && before != [2]string{order, token} {
			m.t.Errorf("%s is told as %s %s and before as %v", d.reference, order, token, before)
		}
		m.told[d] = [2]string{order, token}
		return
	}
}

// named reads which order, and which card made at once, an answer names.
func (m *member) named(d *deed, a answer) (order, token string) {
	if d.path != "/v1/cards" {
		return decode[api.Order](a).ID, ""
	}
	v := decode[api.OrderedCard](a)
	if (v.Card != nil) != d.made {
		m.t.Errorf("%s: %s", d.body, a.body)
	}
	if v.Card != nil {
		token = v.Card.Token
	}
	return v.Order.ID, token
}

func (m *member) post(d *deed, path, body string, tampered bool) answer {
	c, options := m.client, []option{header("Content-Type", d.kind)}
	if m.signer != nil {
		m.n++
		c, options = client{}, append(options, m.signer.with(fmt.Sprintf("%s.%d", m.name, m.n)).signs(d.body))
		if !tampered {
			options = append(options[:1], m.signer.with(fmt.Sprintf("%s.%d", m.name, m.n)).signs(body))
		}
	}
	r := m.request(c, d.method, path, strings.NewReader(body), options...)
	a, err := m.send(r)
	if err != nil {
		m.t.Error(err)
		return a
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checkAgainstDocument(r, a)
	return a
}

// alter asks for something else under a name that was used, or changes the bytes of a signed request on its way.
func (m *member) alter() {
	d := m.some(2)
	if d == nil {
		return
	}
	m.mu.Lock()
	_, done := m.told[d]
	m.mu.Unlock()
	if !done {
		return // what comes first counts, and the altered one might
	}
	path, body := d.path, d.body
	if d.other.body != "" {
		body = d.other.body
	}
	if d.other.path != "" {
		path = d.other.path
	}
	tampered := m.signer != nil && body != d.body && m.dice.IntN(2) == 0
	a := m.post(d, path, body, tampered)
	want := http.StatusUnprocessableEntity
	if tampered {
		want = http.StatusBadRequest
	}
	if a.status != want {
		m.t.Errorf("altered, %s %s is answered with %d %s", path, body, a.status, a.body)
	}
}

// guess asks for what belongs to the other institution.
func (m *member) guess() {
	all := m.secret[!m.mine]
	path := all[m.dice.IntN(len(all))]
	m.mu.Lock()
	if others := m.deeds[!m.mine]; len(others) > 0 {
		if told, ok := m.told[others[m.dice.IntN(len(others))]]; ok {
			path = "/v1/orders/" + told[0]
			if told[1] != "" {
				path = "/v1/cards/" + told[1]
			}
		}
	}
	m.count[3]++
	m.mu.Unlock()
	a, err := m.send(m.request(m.client, http.MethodGet, path, nil))
	if err != nil || a.status != http.StatusNotFound {
		m.t.Errorf("%s of the other institution is answered with %d %s, %v", path, a.status, a.body, err)
	}
}

// block stops a card, again and again.
func (m *member) block() {
	all := m.stocked[m.mine]
	token := all[m.dice.IntN(len(all))]
	m.mu.Lock()
	m.blocked[token]++
	m.count[4]++
	m.mu.Unlock()
	a, err := m.send(m.request(m.client, http.MethodPost, "/v1/cards/"+token+"/block", strings.NewReader(because), asJSON))
	if err != nil || a.status != http.StatusOK {
		m.t.Errorf("block %s: %d %s, %v", token, a.status, a.body, err)
	}
}

// judge holds what there is now against what was asked for.
func (c *crowd) judge() {
	c.t.Helper()
	ctx := c.t.Context()
	for _, mine := range []bool{true, false} {
		by, cards, orders := c.of(mine), int64(0), map[string]string{}
		for _, d := range c.deeds[mine] {
			if len(c.created[d]) != 1 || c.created[d][0] != c.told[d][0] {
				c.t.Errorf("%s was made as %v, and told as %v", d.reference, c.created[d], c.told[d])
			}
			orders[d.reference], cards = c.told[d][0], cards+int64(d.cards)
		}
		for cursor := ""; ; {
			page := decode[api.Page[api.Order]](c.get(by, "/v1/orders?limit=500&cursor="+cursor).want(http.StatusOK))
			for _, o := range page.Items {
				if o.Reference == "STOCK" {
					continue
				}
				if orders[o.Reference] != o.ID {
					c.t.Errorf("order %s is %s, and %q was told", o.Reference, o.ID, orders[o.Reference])
				}
				delete(orders, o.Reference)
				cards -= o.Requested
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		if len(orders) > 0 || cards != 0 {
			c.t.Errorf("%d orders are missing, %d cards; one of them %v", len(orders), cards, slices.Collect(maps.Keys(orders))[:min(1, len(orders))])
		}
		for token := range c.blocked {
			if !slices.Contains(c.stocked[mine], token) {
				continue
			}
			times := 0
			for _, e := range decode[api.Card](c.get(by, "/v1/cards/"+token).want(http.StatusOK)).Events {
				if e.Kind == "blocked" {
					times++
				}
			}
			if times != 1 {
				c.t.Errorf("%s was blocked %d times", token, times)
			}
		}
	}
	before, err := c.plant.Store.CardCount(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	want := before
	for _, d := range slices.Concat(c.deeds[true], c.deeds[false]) {
		if !d.made && d.card == "" {
			want += int64(d.cards)
		}
	}
	for _, mine := range []bool{true, false} {
		c.produce(c.of(mine))
	}
	if after, err := c.plant.Store.CardCount(ctx); err != nil || after != want {
		c.t.Errorf("%d cards, want %d: %v", after, want, err)
	}
	c.balanced()
}
