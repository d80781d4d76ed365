package bureau

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"platen/formats"
)

// plasticsName is the bureau's own count of its plastics, in its directory, where no client sees it.
const plasticsName = "plastics.json"

// A bureau that tells of its plastics begins with a lot of each, and gets another before one runs out.
const (
	plasticsLot     = 10_000
	plasticsReorder = 500
)

// plastics is what a bureau has, and what it has told of files that it has not put away yet: told again after a break, they are the same.
type plastics struct {
	Left map[string]int64            `json:"left"` // by design
	Told map[string][]plasticsReport `json:"told"` // by input file
	At   time.Time                   `json:"at"`   // of the newest report
}

type plasticsReport struct {
	Plastic  string    `json:"plastic"`
	Opening  int64     `json:"opening"`
	Received int64     `json:"received"`
	Used     int64     `json:"used"`
	Damaged  int64     `json:"damaged"`
	At       time.Time `json:"at"`
}

func (r plasticsReport) closing() int64 { return r.Opening + r.Received - r.Used - r.Damaged }

// tellStock reports the plastics that a file has used. A report begins where the one before it ended, so the issuer gets them one after the other.
func (s *Simulator) tellStock(how answering, f *followUp) error {
	reports, err := s.usePlastics(f)
	if err != nil || len(reports) == 0 {
		return err
	}
	before, _, _ := strings.Cut(how.pattern, "*")
	return s.write(f.answer, promise{how: how, records: int64(len(reports)), after: before}, func(put func(*formats.Record) error) error {
		for i, r := range reports {
			rec := f.record(i, r.At)
			rec.SetString(formats.ReturnOccurredAt, r.At.Format(time.RFC3339Nano))
			rec.SetString(formats.StockPlastic, r.Plastic)
			rec.SetString(formats.ReturnSite, s.site())
			for field, n := range map[formats.Field]int64{
				formats.StockOpening: r.Opening, formats.StockReceived: r.Received, formats.StockUsed: r.Used, formats.StockDamaged: r.Damaged, formats.StockScrap: 0,
				formats.StockAdjusted: 0, formats.StockDestroyed: 0, formats.StockAllocated: 0, formats.StockClosing: r.closing(), formats.StockReorderLevel: plasticsReorder,
			} {
				rec.SetInt(field, n)
			}
			if err := put(rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// usePlastics takes what a file needs off the bureau's count, once.
func (s *Simulator) usePlastics(f *followUp) ([]plasticsReport, error) {
	p := plastics{Left: map[string]int64{}, Told: map[string][]plasticsReport{}}
	body, err := s.root.ReadFile(plasticsName)
	if err == nil {
		err = json.Unmarshal(body, &p)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the count of plastics: %w", err)
	}
	if told, known := p.Told[f.input]; known {
		return told, nil
	}
	for input := range p.Told {
		if away, err := s.lies(input, doneDir); err != nil {
			return nil, err
		} else if away {
			delete(p.Told, input)
		}
	}
	if p.At = p.At.Add(time.Millisecond); p.At.Before(f.now) { // each report is newer than the one before
		p.At = f.now.Truncate(time.Millisecond)
	}
	used, damaged := map[string]int64{}, map[string]int64{}
	for of, lines := range map[*map[string]int64][]Line{&used: f.made, &damaged: f.spoiled} {
		for code, n := range byProduct(lines) {
			(*of)[s.config.Products[code].Design] += n
		}
	}
	reports := []plasticsReport{}
	for _, code := range products(f.made, f.spoiled) {
		design := s.config.Products[code].Design
		if used[design]+damaged[design] == 0 {
			continue // told already, of another product of this design
		}
		left, known := p.Left[design]
		if !known {
			left = plasticsLot
		}
		r := plasticsReport{Plastic: design, Opening: left, Used: used[design], Damaged: damaged[design], At: p.At}
		for r.closing() < plasticsReorder {
			r.Received += plasticsLot
		}
		delete(used, design)
		delete(damaged, design)
		p.Left[design] = r.closing()
		reports = append(reports, r)
	}
	p.Told[f.input] = reports
	if body, err = json.Marshal(p); err != nil {
		return nil, err
	}
	return reports, s.writeFile(plasticsName, func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	})
}
