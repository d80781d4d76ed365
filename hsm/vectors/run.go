package vectors

import (
	"errors"
	"slices"
	"strings"
)

// Status is what became of an entry.
type Status string

// The statuses.
const (
	Passed   Status = "passed"
	FormOnly Status = "form_only" // its value has the right form, and without its key nothing more can be told
	Failed   Status = "failed"
	Unknown  Status = "unknown" // its algorithm is not one of Algorithms
)

// Result is what became of one entry.
type Result struct {
	ID       string `json:"id"`
	Algo     string `json:"algo"`
	Status   Status `json:"status"`
	Verified string `json:"verified,omitempty"`
	Detail   string `json:"detail,omitempty"` // why it failed, or what was checked when the value itself could not be
	Expected any    `json:"expected,omitempty"`
	Got      any    `json:"got,omitempty"` // with Expected, when they differ
}

// Report is what became of a file. Passed, FormOnly, Failed and Unknown sum to the entries.
type Report struct {
	Passed   int      `json:"passed"`
	FormOnly int      `json:"form_only"`
	Failed   int      `json:"failed"`
	Unknown  int      `json:"unknown"`
	Results  []Result `json:"results"`
}

// Run evaluates entries in their order. An entry may lean on others of the file, as a response cryptogram does on its request.
func Run(entries []Entry) Report {
	known := byName()
	report := Report{Results: make([]Result, 0, len(entries))}
	for i := range entries {
		r := evaluate(known, &entries[i], entries)
		switch r.Status {
		case Passed:
			report.Passed++
		case FormOnly:
			report.FormOnly++
		case Failed:
			report.Failed++
		case Unknown:
			report.Unknown++
		}
		report.Results = append(report.Results, r)
	}
	return report
}

func evaluate(known map[string]algorithm, e *Entry, file []Entry) Result {
	r := Result{ID: e.ID, Algo: e.Algo, Verified: e.Verified, Status: Failed}
	a, ok := known[e.Algo]
	if !ok {
		r.Status = Unknown
		return r
	}
	in := &inputs{values: e.Inputs, expected: e.Expected, file: file}
	got, err := a.compute(in)
	if in.err != nil {
		err = in.err
	}
	if wantsRefusal(e.Expected) {
		r.Detail = "refused"
		if err != nil && !errors.Is(err, errInput) {
			r.Status = Passed
		} else if err == nil {
			r.Detail = "was to be refused"
		} else {
			r.Detail = err.Error()
		}
		return r
	}
	if err != nil {
		r.Detail = err.Error()
		return r
	}
	if v, ok := got.(verdict); ok {
		r.Detail = v.note
		switch {
		case v.ok && v.form:
			r.Status = FormOnly
		case v.ok:
			r.Status = Passed
		}
		return r
	}
	if matches(got, e.Expected) {
		r.Status = Passed
		return r
	}
	r.Expected, r.Got = e.Expected, plain(got)
	return r
}

// Algorithms are the names of the algorithms that can be evaluated, in order.
func Algorithms() []string {
	var out []string
	for _, a := range algorithms() {
		out = append(out, a.name)
	}
	slices.SortFunc(out, strings.Compare)
	return out
}
