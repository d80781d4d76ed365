package programs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"platen/card"
	"platen/formats"
	"platen/hsm/jwe"
)

// maxName bounds the names that people read.
const maxName = 100

// check proves what the files say about each other. It runs on files that could be read.
func (l *loader) check() {
	l.checkInstitution()
	l.checkDialects()
	l.checkLayouts()
	l.checkRanges()
	l.checkBureaus()
	l.checkProducts()
	l.checkZones()
	l.checkMappings()
	l.checkSchedules()
}

func (l *loader) checkInstitution() {
	i, from := l.set.Institution, l.from.institution
	l.checkCode(from, i.Code)
	l.checkName(from, i.Name)
	l.checkActionReasons()
	if i.Timezone == "" || i.Timezone == "Local" {
		l.at(from, "timezone")("timezone: must name a zone, such as Europe/Paris")
		return
	}
	if _, err := time.LoadLocation(i.Timezone); err != nil {
		l.at(from, "timezone")("timezone: there is no zone %q", i.Timezone)
	}
}

// actionReasons are the reasons that a card action may be for.
var actionReasons = [...]card.Reason{card.Renewal, card.Damaged, card.NameChange, card.Lost, card.Stolen, card.Compromised, card.NotReceived, card.Emergency}

func (l *loader) checkActionReasons() {
	at := l.at(l.from.institution, "action_reasons")
	seen := map[string]bool{}
	for _, r := range l.set.Institution.ActionReasons {
		switch {
		case len(r.Code) != 1 || r.Code[0] < 'A' || r.Code[0] > 'Z':
			at("action_reasons: %q is no capital letter", r.Code)
		case seen[r.Code]:
			at("action_reasons: %s stands twice", r.Code)
		case !slices.Contains(actionReasons[:], r.Reason):
			at("action_reasons: %s: no card action is for %s", r.Code, r.Reason)
		}
		seen[r.Code] = true
	}
}

// checkLayouts refuses two layouts of one name, and a set that has none.
func (l *loader) checkLayouts() {
	first := map[string]string{}
	for i, layout := range l.set.Layouts {
		file := l.from.layouts[i]
		if other, twice := first[layout.Name()]; twice {
			l.add(file, 0, "layout %s stands also in %s", layout.Name(), other)
			continue
		}
		first[layout.Name()] = file
		for _, name := range layout.Sidecars() {
			if sidecar := l.layout(name); sidecar == nil || sidecar.Kind() != formats.Sidecar {
				l.add(file, 0, "sidecars: there is no layout of a sidecar %q", name)
			}
		}
	}
}

// checkZones holds the keys that are shared with clients apart from those of bureaus: a client who knew a bureau's key could read its files.
func (l *loader) checkZones() {
	l.checkNoTwins("zone", l.from.zones, func(i int) string { return l.set.Zones[i].Code })
	for i, z := range l.set.Zones {
		from := l.from.zones[i]
		l.checkLabel(from, z.Key, "", "key")
		l.checkDataKey(&z, from)
		if z.Key == "" && z.PublicKey == "" && z.DataKey == "" {
			l.at(from, "code")("key: a zone has a key, a public_key, a data_key, or several of them")
		}
		if _, err := jwe.ParseKey(z.PublicKey); z.PublicKey != "" && err != nil {
			l.at(from, "public_key")("public_key: %v", err)
		}
		if z.PINFormat < 0 || z.PINFormat > 4 || z.PINFormat == 2 {
			l.at(from, "pin_format")("pin_format: must be 0, 1, 3 or 4 (ISO 9564-1)")
		}
		for _, b := range l.set.Bureaus {
			if z.Key != "" && b.ZPK == z.Key {
				l.at(from, "key")("key: %s is bureau %s's; clients need one of their own", z.Key, b.Code)
			}
		}
	}
}

// checkDataKey holds the key that codes are told under apart from those of layouts, which bureaus have.
func (l *loader) checkDataKey(z *Zone, from source) {
	l.checkLabel(from, z.DataKey, "", "data_key")
	if z.Fill != "" && (len(z.Fill) != 1 || z.Fill < "A" || z.Fill > "F" || z.DataKey == "") {
		l.at(from, "fill")("fill: must be a letter A to F, of a zone with a data_key")
	}
	for _, layout := range l.set.Layouts {
		if z.DataKey != "" && slices.Contains(layout.Keys(), z.DataKey) {
			l.at(from, "data_key")("data_key: %s is layout %s's; clients need one of their own", z.DataKey, layout.Name())
		}
	}
}

// checkMappings holds every mapping against the columns that orders have.
func (l *loader) checkMappings() {
	l.checkNoTwins("mapping", l.from.mappings, func(i int) string { return l.set.Mappings[i].Code })
	for i := range l.set.Mappings {
		if err := l.set.Mappings[i].Check(); err != nil {
			key, _, _ := strings.Cut(err.Error(), ":")
			l.at(l.from.mappings[i], key)("%v", err)
		}
	}
}

// layout finds a layout by name.
func (l *loader) layout(name string) *formats.Layout {
	for _, layout := range l.set.Layouts {
		if layout.Name() == name {
			return layout
		}
	}
	return nil
}

// bureau finds a bureau by code.
func (l *loader) bureau(code string) *Bureau {
	for i := range l.set.Bureaus {
		if l.set.Bureaus[i].Code == code {
			return &l.set.Bureaus[i]
		}
	}
	return nil
}

// at returns a function that reports a fault at a key of a thing.
func (l *loader) at(from source, path ...string) func(format string, args ...any) {
	return func(format string, args ...any) { l.add(from.file, from.line(path...), format, args...) }
}

// checkCode holds codes to the form of key labels, in at most 32 characters: they stand in file names, metrics and URLs.
func (l *loader) checkCode(from source, code string) {
	if _, err := card.NewKeyLabel(code); err != nil || len(code) > 32 {
		l.at(from, "code")("code: must be 1 to 32 of a-z 0-9 . - _ and begin with a letter")
	}
}

// checkNoTwins refuses a second thing of the same code.
func (l *loader) checkNoTwins(what string, from []source, code func(i int) string) {
	first := map[string]source{}
	for i := range from {
		l.checkCode(from[i], code(i))
		if other, twice := first[code(i)]; twice {
			l.at(from[i], "code")("code: %s %q stands also at %s:%d", what, code(i), other.file, other.line("code"))
			continue
		}
		first[code(i)] = from[i]
	}
}

func (l *loader) checkName(from source, name string) {
	if strings.TrimSpace(name) == "" || len(name) > maxName {
		l.at(from, "name")("name: must be 1 to %d characters", maxName)
	}
}

// checkBounds refuses numbers outside [low, high].
func (l *loader) checkBounds(from source, value, low, high int64, path ...string) {
	if value < low || value > high {
		l.at(from, path...)("%s: must be %d to %d", path[len(path)-1], low, high)
	}
}

// checkLabel refuses a key label of another form; an absent one is a fault only when it is needed.
func (l *loader) checkLabel(from source, label card.KeyLabel, why string, path ...string) {
	name := path[len(path)-1]
	if label == "" {
		if why != "" {
			l.at(from, path...)("%s: is needed %s", name, why)
		}
		return
	}
	if _, err := card.NewKeyLabel(string(label)); err != nil {
		l.at(from, path...)("%s: %v", name, err)
	}
}

// oneOf tells a reader the words that a key takes.
func oneOf(words []string) string { return fmt.Sprintf("must be one of %s", strings.Join(words, ", ")) }
