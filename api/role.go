package api

import (
	"fmt"
	"slices"
	"strings"
)

// Role is what a client may do beyond looking, which every client of an institution may.
type Role string

// The roles.
const (
	Submit  Role = "submit"  // orders, corrections, single cards, card actions, customers, accounts, mass issues
	Operate Role = "operate" // what a card-operations desk decides: cancel, pause, block, activate, close
	Fund    Role = "fund"    // money from outside into wallets, and out again
	Holders Role = "holders" // hand in who is to hold prepaid cards, and see them
	Money   Role = "money"   // the ledger: accounts, transfers, loading of cards
	PIN     Role = "pin"     // PIN and security-value services
	PAN     Role = "pan"     // card numbers for tokens and back
	Admin   Role = "admin"   // webhooks and what else an institution declares over the API
)

// Roles lists every role.
func Roles() []Role { return []Role{Submit, Operate, Fund, Holders, Money, PIN, PAN, Admin} }

// ParseRoles reads names with commas between; an empty text is no role.
func ParseRoles(text string) ([]Role, error) {
	var all []Role
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		r := Role(name)
		if !slices.Contains(Roles(), r) {
			return nil, fmt.Errorf("no role is called %q: use %s", name, RoleNames(Roles()))
		}
		if !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all, nil
}

// RoleNames is what ParseRoles reads.
func RoleNames(roles []Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, ",")
}

// needed is the role that each operation of /v1 needs which changes or reveals something. Whatever else is not a GET has no place here, and the
// server does not start: see roleOf.
var needed = map[string]Role{
	"POST /v1/orders":                  Submit,
	"POST /v1/orders/{id}/corrections": Submit,

	"POST /v1/orders/{id}/cancel": Operate,
	"POST /v1/orders/{id}/pause":  Operate,
	"POST /v1/orders/{id}/resume": Operate,

	"POST /v1/cards":                        Submit,
	"POST /v1/cards/{token}/replacements":   Submit,
	"POST /v1/cards/{token}/actions":        Submit,
	"POST /v1/instant-cards":                Submit,
	"POST /v1/cards/{token}/activate":       Operate,
	"POST /v1/cards/{token}/block":          Operate,
	"POST /v1/cards/{token}/close":          Operate,
	"POST /v1/cards/{token}/unblock":        Operate,
	"PUT /v1/cards/{token}/closing":         Operate,
	"POST /v1/cards/{token}/closing/cancel": Operate,

	"POST /v1/cards/{token}/productions/{production}/cancel": Operate,
	"POST /v1/cards/{token}/pin/await":                       Operate,
	"POST /v1/cards/{token}/pin/release":                     Operate,
	"POST /v1/cards/{token}/link":                            Operate,

	"POST /v1/customers":            Submit,
	"PUT /v1/customers/{reference}": Submit,
	"POST /v1/accounts":             Submit,
	"PUT /v1/accounts/{reference}":  Submit,

	"POST /v1/mass-issues":                   Submit,
	"PUT /v1/mass-issues/{reference}":        Submit,
	"POST /v1/mass-issues/{reference}/purge": Submit,

	"POST /v1/simulator/cards/{token}/{step}": Operate,

	"GET /v1/cards/{token}/pin":           PIN,
	"POST /v1/cards/{token}/pin/verify":   PIN,
	"POST /v1/cards/{token}/pin/change":   PIN,
	"POST /v1/cards/{token}/pin/set":      PIN,
	"POST /v1/cards/{token}/pin/export":   PIN,
	"POST /v1/cards/{token}/pin/block":    PIN,
	"POST /v1/cards/{token}/pin/unblock":  PIN,
	"POST /v1/cards/{token}/pin/controls": PIN,
	"POST /v1/pin-controls/view":          PIN,
	"POST /v1/pin-controls/set":           PIN,

	"POST /v1/cards/{token}/security-values": PIN,
	"POST /v1/cards/{token}/security-blocks": PIN,
	"POST /v1/cards/{token}/dynamic-cvv2":    PIN,
	"DELETE /v1/cards/{token}/dynamic-cvv2":  PIN,
	"POST /v1/cards/{token}/number":          PAN,
	"POST /v1/card-lookups":                  PAN,
	"POST /v1/cards/{token}/cvv2/verify":     PIN,

	"GET /v1/holders":              Holders,
	"GET /v1/holders/{id}":         Holders,
	"POST /v1/holders":             Holders,
	"PUT /v1/holders/{id}":         Holders,
	"POST /v1/holders/{id}/review": Operate,
	"POST /v1/holders/{id}/pass":   Operate,
	"POST /v1/holders/{id}/reject": Operate,

	"GET /v1/ledger/accounts":                   Money,
	"GET /v1/ledger/accounts/{id}":              Money,
	"GET /v1/ledger/accounts/{id}/entries":      Money,
	"GET /v1/ledger/operations":                 Money,
	"GET /v1/ledger/operations/{reference}":     Money,
	"GET /v1/ledger/cards/{token}":              Money,
	"POST /v1/ledger/accounts":                  Money,
	"POST /v1/ledger/cards/{token}":             Money,
	"POST /v1/ledger/transfers":                 Money,
	"POST /v1/ledger/cards/{token}/deposits":    Money,
	"POST /v1/ledger/cards/{token}/withdrawals": Money,
	"POST /v1/ledger/accounts/{id}/funds":       Fund,
	"POST /v1/ledger/accounts/{id}/payouts":     Fund,

	"POST /v1/redemptions": Money,

	"GET /v1/webhooks":               Admin,
	"GET /v1/webhooks/{id}":          Admin,
	"GET /v1/webhooks/{id}/messages": Admin,
	"POST /v1/webhooks":              Admin,
	"DELETE /v1/webhooks/{id}":       Admin,
	"POST /v1/webhooks/{id}/pause":   Admin,
	"POST /v1/webhooks/{id}/resume":  Admin,
	"POST /v1/webhooks/{id}/test":    Admin,
	"POST /v1/webhooks/{id}/replay":  Admin,
}

// roleOf is the role that a route needs; empty for one that every client may use.
func roleOf(pattern string) Role {
	role, ok := needed[pattern]
	if !ok && !strings.HasPrefix(pattern, "GET ") {
		panic("no role is given for " + pattern)
	}
	return role
}
