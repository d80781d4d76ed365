package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"platen/batch"
	"platen/card"
	"platen/sql/store"
)

// side is how many files a worker makes side by side: the default of a Platen process.
const side = 2

// Report is what a worker tells of itself when it ends.
type Report struct {
	Minted  int64 `json:"minted"`
	Sealed  int64 `json:"sealed"`
	PeakKiB int64 `json:"peak_kib"` // the most memory that it had in RAM at once
}

// Count is an observer that counts what a worker does.
type Count struct{ minted, sealed atomic.Int64 }

// CardsMinted implements batch.Observer.
func (c *Count) CardsMinted(n int) { c.minted.Add(int64(n)) }

// FileMoved implements batch.Observer.
func (c *Count) FileMoved(to card.FileState) {
	if to == card.FileSealed {
		c.sealed.Add(1)
	}
}

// Delivered implements batch.Observer.
func (c *Count) Delivered(string, bool) {}

// ReturnLine implements batch.Observer.
func (c *Count) ReturnLine(store.Outcome) {}

// Serve is a worker process: it builds the files that it is told on in, a line "NUMBER EPOCH" each, answers each with a line when it is sealed, and
// ends with its report when in ends. The plant's observer is set to count.
func Serve(ctx context.Context, plant batch.Plant, in io.Reader, out io.Writer) error {
	count := new(Count)
	plant.Observe = count
	var mu sync.Mutex
	say := func(text string) error {
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Fprintln(out, text)
		return err
	}
	if err := say("ready"); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(side)
	lines := bufio.NewScanner(in)
	for lines.Scan() && ctx.Err() == nil {
		var number, epoch int64
		if _, err := fmt.Sscan(lines.Text(), &number, &epoch); err != nil {
			return fmt.Errorf("told to build %q: %w", lines.Text(), err)
		}
		g.Go(func() error {
			if err := plant.Build(ctx, number, epoch); err != nil {
				return err
			}
			return say(strconv.FormatInt(number, 10))
		})
	}
	if err := errors.Join(g.Wait(), lines.Err()); err != nil {
		return err
	}
	peak, err := peakKiB()
	if err != nil {
		return err
	}
	body, err := json.Marshal(Report{Minted: count.minted.Load(), Sealed: count.sealed.Load(), PeakKiB: peak})
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return say(string(body))
}

// peakKiB is this process's peak resident memory. The kernel's figure for a child counts its parent's too, so each process reads its own.
func peakKiB() (int64, error) {
	body, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("peak memory: %w", err)
	}
	for line := range strings.Lines(string(body)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("peak memory: %w", err)
			}
			return n, nil
		}
	}
	return 0, errors.New("peak memory: the kernel does not tell")
}

// worker is a worker process as its parent sees it.
type worker struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
}

// startWorker returns when the worker is ready. delay is what its mock of a security module takes; 0 = the real software module.
func (b *bench) startWorker(ctx context.Context, s *Site, delay time.Duration) (*worker, error) {
	w := &worker{command: b.Worker(ctx, s.Dir, delay)}
	w.command.Stderr = os.Stderr
	var err error
	if w.in, err = w.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	out, err := w.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	w.out = bufio.NewScanner(out)
	if err := w.command.Start(); err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	if !w.out.Scan() || w.out.Text() != "ready" {
		return nil, errors.Join(errors.New("a worker did not start"), w.command.Wait())
	}
	return w, nil
}

// build has a worker build files, as many side by side as it does, until none is left in due; sealed is called for each.
func (w *worker) build(due <-chan store.Due, sealed func()) error {
	open := 0
	for {
		for ; open < side; open++ {
			d, ok := <-due
			if !ok {
				break
			}
			if _, err := fmt.Fprintln(w.in, d.Number, d.Epoch); err != nil {
				return fmt.Errorf("tell a worker: %w", err)
			}
		}
		if open == 0 {
			return nil
		}
		if !w.out.Scan() {
			return errors.New("a worker ended before its files were sealed")
		}
		open--
		if sealed != nil {
			sealed()
		}
	}
}

// end lets a worker end and takes its report.
func (w *worker) end() (Report, error) {
	var r Report
	if err := w.in.Close(); err != nil {
		return r, fmt.Errorf("end a worker: %w", err)
	}
	if !w.out.Scan() {
		return r, errors.Join(errors.New("a worker ended without a report"), w.command.Wait())
	}
	if err := json.Unmarshal(w.out.Bytes(), &r); err != nil {
		return r, fmt.Errorf("a worker's report: %w", err)
	}
	return r, w.command.Wait()
}

// share hands files out until ctx ends.
func share(ctx context.Context, due []store.Due) <-chan store.Due {
	c := make(chan store.Due)
	go func() {
		defer close(c)
		for _, d := range due {
			select {
			case c <- d:
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}

// buildAll has workers build files and returns how long it took and what each reported.
func (b *bench) buildAll(ctx context.Context, s *Site, n int, delay time.Duration, plan func() ([]store.Due, error)) (time.Duration, []Report, error) {
	var workers []*worker
	for range n {
		w, err := b.startWorker(ctx, s, delay)
		if err != nil {
			return 0, nil, err
		}
		workers = append(workers, w)
	}
	started := time.Now()
	due, err := plan()
	if err != nil {
		return 0, nil, err
	}
	g, gctx := errgroup.WithContext(ctx)
	queue := share(gctx, due)
	for _, w := range workers {
		g.Go(func() error { return w.build(queue, nil) })
	}
	if err := g.Wait(); err != nil {
		return 0, nil, err
	}
	took := time.Since(started)
	var reports []Report
	for _, w := range workers {
		r, err := w.end()
		if err != nil {
			return 0, nil, err
		}
		reports = append(reports, r)
	}
	return took, reports, nil
}
