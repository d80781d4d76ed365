package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// lineEvery is how often progress is told where there is no terminal, unless the step changes.
const lineEvery = 5 * time.Second

// progress shows how far something is: a bar on a terminal, plain lines elsewhere. Both are fed by the same calls.
type progress struct {
	w     io.Writer
	bars  *mpb.Progress
	bar   *mpb.Bar
	label string
	told  time.Time

	stand atomic.Pointer[stand] // what a followed bar shows beside itself
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok && hasRoom(f) {
		p.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(48))
	}
	return p
}

// hasRoom tells whether a bar can be drawn: on a terminal, but not on one without a size, as scripts make them.
func hasRoom(f *os.File) bool {
	width, _, err := term.GetSize(int(f.Fd()))
	return err == nil && width > 0
}

// say tells a step without numbers.
func (p *progress) say(format string, args ...any) {
	p.endBar()
	fmt.Fprintf(p.w, format+"\n", args...)
}

// follow tells how far something is, with its own words for rate and rest.
func (p *progress) follow(s stand) {
	if p.bars == nil {
		if s.label == p.label && time.Since(p.told) < lineEvery {
			return
		}
		p.label, p.told = s.label, time.Now()
		fmt.Fprintf(p.w, "%s: %d of %d; %s\n", s.label, s.done, s.total, s.detail)
		return
	}
	p.stand.Store(&s)
	if p.bar == nil {
		// A bar that begins with a total ends by itself when it is reached; this one may go back, and its total may fall.
		p.bar = p.bars.AddBar(0, mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return p.stand.Load().label + " " })),
			mpb.AppendDecorators(decor.CountersNoUnit("%d / %d  "), decor.Any(func(decor.Statistics) string { return p.stand.Load().detail })))
	}
	p.bar.SetTotal(s.total, false)
	p.bar.SetCurrent(s.done)
}

// step tells how much of a step is done.
func (p *progress) step(label string, done, total int64) {
	if p.bars != nil {
		p.stepBar(label, done, total)
		return
	}
	if label == p.label && time.Since(p.told) < lineEvery {
		return
	}
	p.label, p.told = label, time.Now()
	fmt.Fprintf(p.w, "%s: %d of %d\n", label, done, total)
}

func (p *progress) stepBar(label string, done, total int64) {
	if label != p.label || p.bar == nil {
		p.endBar()
		p.label = label
		p.bar = p.bars.AddBar(total, mpb.PrependDecorators(decor.Name(label+" ")), mpb.AppendDecorators(decor.CountersNoUnit("%d / %d"), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
	}
	p.bar.SetTotal(total, false)
	p.bar.SetCurrent(done)
}

func (p *progress) endBar() {
	if p.bar != nil {
		p.bar.Abort(false)
		p.bar.Wait()
		p.bar = nil
	}
}

// done ends whatever is shown.
func (p *progress) done() {
	p.endBar()
	if p.bars != nil {
		p.bars.Wait()
	}
}
