package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"platen/api"
	"platen/api/enfuce"
	"platen/api/finhub"
	"platen/api/firstvision"
	"platen/api/offblocks"
	"platen/jobs"
)

// drainTime is how long a stopping process lets running jobs and requests finish.
const drainTime = 20 * time.Second

func serveCommand(s *shared) *cobra.Command {
	var noAPI, noSchedules, noWork bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run API, schedules and workers in one process",
		Long: `Runs the HTTP API, opens windows that come due, and carries jobs out. Any number of processes may share one
PostgreSQL; the flags split the roles.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), s, roles{api: !noAPI, schedule: !noSchedules, work: !noWork})
		},
	}
	c.Flags().BoolVar(&noAPI, "no-api", false, "do not listen for HTTP")
	c.Flags().BoolVar(&noSchedules, "no-schedules", false, "do not open windows that come due")
	c.Flags().BoolVar(&noWork, "no-work", false, "do not carry jobs out")
	return c
}

func workCommand(s *shared) *cobra.Command {
	var probes string
	var once, schedules bool
	c := &cobra.Command{
		Use:   "work",
		Short: "Carry jobs out: the same as serve with neither API nor schedules",
		Long: `Carries jobs out until it is stopped. With --once it does what is due now, one thing after another, and ends: exit code 1 if something
failed and is left for the next time. An answer in a bureau's outbox is fetched by the second look that sees it unchanged.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if once {
				return workOnce(cmd, s, schedules)
			}
			return serve(cmd.Context(), s, roles{work: true, schedule: schedules, probes: probes})
		},
	}
	c.Flags().StringVar(&probes, "probes", "", "host:port for /livez, /readyz and /metrics; empty = none")
	c.Flags().BoolVar(&once, "once", false, "do what is due now, and end")
	c.Flags().BoolVar(&schedules, "schedules", false, "open windows that come due, too")
	return c
}

// workOnce does what is due now without the queue.
func workOnce(cmd *cobra.Command, s *shared, schedules bool) (err error) {
	a, err := openApp(cmd.Context(), s, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	release, err := a.soleWorker(cmd.Context())
	if err != nil {
		return err
	}
	n, err := jobs.Once(cmd.Context(), a.plant, schedules)
	hooks, failed := a.webhooks()
	if failed == nil {
		var told int
		told, failed = hooks.DeliverDue(cmd.Context())
		n += told
	}
	err = errors.Join(err, failed)
	if s.json {
		err = errors.Join(err, printJSON(cmd.OutOrStdout(), map[string]int{"done": n}))
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "%d things were due and done.\n", n)
	}
	return errors.Join(err, release())
}

// roles are what a process does; probes is where one without API answers its probes.
type roles struct {
	api, schedule, work bool
	probes              string
}

func serve(ctx context.Context, s *shared, r roles) error {
	if !r.api && !r.schedule && !r.work {
		return errors.New("nothing is left to do: give back one of API, schedules and work")
	}
	a, err := openApp(ctx, s, false)
	if err != nil {
		return begun(ctx, err)
	}
	err = a.serve(ctx, r)
	return errors.Join(err, a.close())
}

// begun is what a failure to start means: nothing, where the process was asked to stop before it had begun.
func begun(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "platen: stopped before it had begun:", err)
	return nil
}

func (a *app) serve(ctx context.Context, r roles) (err error) {
	runner, err := a.start(ctx, r.schedule, r.work)
	if err != nil {
		return begun(ctx, err)
	}
	defer func() { err = errors.Join(err, runner.stop(ctx)) }()
	if r.probes != "" {
		return a.listen(ctx, r.probes, a.probes(runner))
	}
	if !r.api {
		a.log.Info().Bool("schedules", r.schedule).Bool("work", r.work).Msg("platen works")
		<-ctx.Done()
		return nil
	}
	hooks, err := a.webhooks()
	if err != nil {
		return err
	}
	handler, err := api.New(api.Config{Plant: a.plant, Webhooks: hooks, Log: a.log, Metrics: a.metrics.handler(), Ready: a.ready(runner), Version: version, Now: a.now,
		PublicURL: a.config.HTTP.PublicURL, Secrets: a.secrets(), Dialects: []api.Dialect{offblocks.New(a.plant), enfuce.New(a.plant), firstvision.New(a.plant), finhub.New(a.plant, a.config.Keys.Secrets, hooks.Sender)}})
	if err != nil {
		return err
	}
	return a.listen(ctx, a.config.HTTP.Listen, handler)
}

// probes answers whether the process lives, whether it can work, and what it has counted.
func (a *app) probes(runner *running) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.ready(runner)(r.Context()); err != nil {
			a.log.Warn().Err(err).Msg("not ready")
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", a.metrics.handler())
	return mux
}

// listen serves HTTP until the context ends, then lets running requests finish.
func (a *app) listen(ctx context.Context, address string, handler http.Handler) error {
	server := api.Server(address, handler)
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	a.log.Info().Str("address", l.Addr().String()).Bool("tls", a.config.HTTP.TLSCert != "").Msg("platen serves")
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		var err error
		if a.config.HTTP.TLSCert != "" {
			err = server.ServeTLS(l, a.config.HTTP.TLSCert, a.config.HTTP.TLSKey)
		} else {
			err = server.Serve(l)
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serve HTTP: %w", err)
	})
	g.Go(func() error {
		<-gctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		return server.Shutdown(drain)
	})
	return g.Wait()
}

// ready tells whether this process can do its work: database, security module, schedules.
func (a *app) ready(runner *running) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := a.store.Ping(ctx); err != nil {
			return fmt.Errorf("database: %w", err)
		}
		if err := a.module.Ready(ctx); err != nil {
			return fmt.Errorf("security module: %w", err)
		}
		if err := runner.Healthy(); err != nil {
			return fmt.Errorf("schedules: %w", err)
		}
		return nil
	}
}
