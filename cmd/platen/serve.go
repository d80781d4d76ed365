package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"platen/api"
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
	return &cobra.Command{
		Use:   "work",
		Short: "Carry jobs out: the same as serve with neither API nor schedules",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), s, roles{work: true})
		},
	}
}

type roles struct{ api, schedule, work bool }

func serve(ctx context.Context, s *shared, r roles) error {
	if !r.api && !r.schedule && !r.work {
		return errors.New("nothing is left to do: give back one of API, schedules and work")
	}
	a, err := openApp(ctx, s, false)
	if err != nil {
		return err
	}
	err = a.serve(ctx, r)
	return errors.Join(err, a.close())
}

func (a *app) serve(ctx context.Context, r roles) (err error) {
	runner, err := a.start(ctx, r.schedule, r.work)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, runner.stop(ctx)) }()
	if !r.api {
		a.log.Info().Bool("schedules", r.schedule).Bool("work", r.work).Msg("platen works")
		<-ctx.Done()
		return nil
	}
	return a.listen(ctx, runner)
}

// listen serves HTTP until the context ends, then lets running requests finish.
func (a *app) listen(ctx context.Context, runner *running) error {
	handler, err := api.New(api.Config{Plant: a.plant, Log: a.log, Metrics: a.metrics.handler(), Ready: a.ready(runner), Version: version, Now: a.now})
	if err != nil {
		return err
	}
	server := api.Server(a.config.HTTP.Listen, handler)
	l, err := net.Listen("tcp", a.config.HTTP.Listen)
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
