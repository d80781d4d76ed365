package bureau

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// Dials are how a bureau behaves. The zero value is one without fault. Thousandths are keyed functions of the seed and a name or identifier, like Dice.
type Dials struct {
	Reject int `yaml:"reject"` // records that it will not make, in a thousand
	Spoil  int `yaml:"spoil"`  // cards that it spoils in the making, in a thousand

	Late        time.Duration `yaml:"late"`         // from taking a file to answering it
	Again       time.Duration `yaml:"again"`        // from a wrong or doubled answer to the next one; 0 = 1 h
	Duplicate   int           `yaml:"duplicate"`    // answers that it gives a second time under another name, in a thousand
	Truncate    int           `yaml:"truncate"`     // answers that come cut short first and whole under another name later, in a thousand
	WrongCounts int           `yaml:"wrong_counts"` // answers that come with a record missing first and whole later, in a thousand
	Unknown     int           `yaml:"unknown"`      // status files with a record that was never ordered, in a thousand
	Everything  bool          `yaml:"everything"`   // it answers in every kind that it has a layout for, not only with ack and status
	Dispatch    time.Duration `yaml:"dispatch"`     // from its first answers to sending what it made
	Deliver     time.Duration `yaml:"deliver"`      // from sending to arriving
	Return      int           `yaml:"return"`       // cards and PIN mailers that come back to it, in a thousand
	Lose        int           `yaml:"lose"`         // cards and PIN mailers that are lost on the way, in a thousand
	OutOfOrder  bool          `yaml:"out_of_order"` // the ack of a file comes after its status
	Down        bool          `yaml:"down"`         // nobody can reach it, and it does nothing
	Eat         int           `yaml:"eat"`          // files that vanish the moment they have their name, until it has eaten so many in all
	TakeAtOnce  bool          `yaml:"take_at_once"` // a file is out of sight the moment it has its name
	Lie         bool          `yaml:"lie"`          // it confirms every write and stores nothing
	NewHostKey  bool          `yaml:"new_host_key"` // it shows another host key than the one it was known by
	DiskBytes   int64         `yaml:"disk_bytes"`   // room for one file; 0 = enough
	ResetAfter  int64         `yaml:"reset_after"`  // bytes that a client may send before the connection is reset; 0 = all
}

// Step changes the dials for a while. Of the steps that are in force the last one counts, and what it does not name is as the profile says.
type Step struct {
	From   time.Duration // since the profile began
	Until  time.Duration
	Bureau string // code; empty = every one
	Dials  Dials
}

// Profile is a bureau's character: how it behaves, and how that changes in the course of time.
type Profile struct {
	Name   string
	Seed   string
	Dials  Dials
	Script []Step
}

// profileForm is how a profile is written.
type profileForm struct {
	Name   string      `yaml:"name"`
	Seed   string      `yaml:"seed"`
	Dials  yaml.Node   `yaml:"dials"`
	Script []yaml.Node `yaml:"script"`
}

type stepForm struct {
	From   time.Duration `yaml:"from"`
	Until  time.Duration `yaml:"until"`
	Bureau string        `yaml:"bureau"`
	Dials  yaml.Node     `yaml:"dials"`
}

// LoadProfile reads a profile from YAML, and turns dials of it, such as "late: 2h". Unknown names and impossible values are refused.
func LoadProfile(body []byte, dials ...string) (Profile, error) {
	var form profileForm
	if err := read(body, &form, "part of a profile"); err != nil {
		return Profile{}, fmt.Errorf("profile: %w", err)
	}
	p := Profile{Name: form.Name, Seed: form.Seed}
	if p.Name == "" {
		return p, errors.New("profile: it needs a name")
	}
	if err := turn(&form.Dials, &p.Dials); err != nil {
		return p, fmt.Errorf("profile %s: %w", form.Name, err)
	}
	for _, d := range dials {
		err := read([]byte(d), &p.Dials, "dial")
		if err == nil {
			err = p.Dials.check()
		}
		if err != nil {
			return p, err
		}
	}
	for i := range form.Script {
		var s stepForm
		err := fill(&form.Script[i], reflect.ValueOf(&s).Elem(), "part of a step")
		step := Step{From: s.From, Until: s.Until, Bureau: s.Bureau, Dials: p.Dials}
		if err == nil {
			err = turn(&s.Dials, &step.Dials)
		}
		if err != nil {
			return p, fmt.Errorf("profile %s, step %d: %w", form.Name, i+1, err)
		}
		if step.From < 0 || step.Until <= step.From {
			return p, fmt.Errorf("profile %s, step %d: it must end after it begins", form.Name, i+1)
		}
		p.Script = append(p.Script, step)
	}
	return p, nil
}

// turn sets the dials that a node names.
func turn(node *yaml.Node, d *Dials) error {
	if node.IsZero() {
		return nil
	}
	if err := fill(node, reflect.ValueOf(d).Elem(), "dial"); err != nil {
		return err
	}
	return d.check()
}

func (d *Dials) check() error {
	if slices.ContainsFunc([]int{d.Reject, d.Spoil, d.Reject + d.Spoil, d.Duplicate, d.Truncate, d.WrongCounts, d.Truncate + d.WrongCounts, d.Unknown, d.Return, d.Lose, d.Return + d.Lose}, func(n int) bool { return n < 0 || n > 1000 }) {
		return errors.New("parts of a thousand lie between 0 and 1000")
	}
	if d.Late < 0 || d.Again < 0 || d.Dispatch < 0 || d.Deliver < 0 || d.Eat < 0 || d.DiskBytes < 0 || d.ResetAfter < 0 {
		return errors.New("no dial may be less than nothing")
	}
	return nil
}

// at are the dials of a bureau when the profile has run for so long.
func (p *Profile) at(bureau string, since time.Duration) Dials {
	d := p.Dials
	for _, s := range p.Script {
		if since >= s.From && since < s.Until && (s.Bureau == "" || s.Bureau == bureau) {
			d = s.Dials
		}
	}
	return d
}

// Scale makes a day of the profile last as long as day, so that a week can be rehearsed in minutes.
func (p *Profile) Scale(day time.Duration) {
	scale := func(d *time.Duration) { *d = time.Duration(float64(*d) * float64(day) / float64(24*time.Hour)) }
	p.Dials.scale(scale)
	for i := range p.Script {
		scale(&p.Script[i].From)
		scale(&p.Script[i].Until)
		p.Script[i].Dials.scale(scale)
	}
}

func (d *Dials) scale(scale func(*time.Duration)) {
	if d.Again == 0 {
		d.Again = againAfter
	}
	scale(&d.Again)
	scale(&d.Late)
	scale(&d.Dispatch)
	scale(&d.Deliver)
}
