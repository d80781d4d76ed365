package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"platen/bureau"
	"platen/programs"
)

// dials are how a simulated bureau behaves.
type dials struct {
	seed           string
	reject, spoil  int
	poll           time.Duration
	only, programs string
}

func bureauCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "bureau", Short: "Look at the bureaus, and play them"}
	var d dials
	simulate := &cobra.Command{
		Use: "simulate", Short: "Play the bureaus of a directory made by platen init: take files, check every record, answer",
		Long: `Starts a real SFTP server for each bureau of the programs, on the address that they name. A finished file is decrypted, its
signature verified, parsed with its layout, and each record checked with the test keys that the bureau was given: number,
tracks, CVV, CVV2, iCVV and PIN block. Then it answers with an ack and a status file, with seeded rejects and spoilage.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := Load(s.config, os.Environ())
			if err != nil {
				return err
			}
			log := newLogger(LogConfig{Level: "info", Format: config.Log.Format}, os.Stderr)
			sims, err := simulate(cmd.Context(), config, d, log)
			if err != nil {
				return err
			}
			<-cmd.Context().Done()
			return sims.Close()
		},
	}
	simulate.Flags().StringVar(&d.seed, "seed", "platen", "seed of the dice: the same record meets the same fate")
	simulate.Flags().IntVar(&d.reject, "reject", 3, "records rejected, in a thousand")
	simulate.Flags().IntVar(&d.spoil, "spoil", 5, "cards spoiled, in a thousand")
	simulate.Flags().DurationVar(&d.poll, "poll", time.Second, "how often each bureau looks for files by itself")
	simulate.Flags().StringVar(&d.only, "bureau", "", "code of the only bureau to play")
	simulate.Flags().StringVarP(&d.programs, "file", "f", "programs", "directory of programs, relative to the configuration")
	c.AddCommand(simulate, bureauList(s), bureauRetry(s), bureauStock(s))
	return c
}

// simulators are running bureaus.
type simulators []*bureau.Simulator

// Close stops all of them.
func (s simulators) Close() error {
	var all error
	for _, one := range s {
		all = errors.Join(all, one.Close())
	}
	return all
}

// simulate starts a simulator for every bureau of the programs.
func simulate(ctx context.Context, config Config, d dials, log zerolog.Logger) (simulators, error) {
	set, err := programs.LoadDir(config.Path(d.programs))
	if err != nil {
		return nil, err
	}
	var all simulators
	for _, b := range set.Bureaus {
		if d.only != "" && d.only != b.Code {
			continue
		}
		one, err := startBureau(ctx, config, set, b, d, log)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("simulate bureau %s: %w", b.Code, err), all.Close())
		}
		log.Info().Str("bureau", b.Code).Str("address", one.Addr()).Msg("bureau listens")
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the programs declare no bureau %q", d.only)
	}
	return all, nil
}

func startBureau(ctx context.Context, config Config, set *programs.Set, b programs.Bureau, d dials, log zerolog.Logger) (*bureau.Simulator, error) {
	sender, err := os.ReadFile(config.Path("keys/platen-pgp.pub.asc"))
	if err != nil {
		return nil, fmt.Errorf("read our public key: %w", err)
	}
	c, err := bureau.Side(config.Path(filepath.Join("bureaus", b.Code)), sender, set, b)
	if err != nil {
		return nil, err
	}
	c.Poll, c.Now, c.Log = d.poll, time.Now, log
	c.Dice = bureau.Dice{Seed: d.seed, RejectPermille: d.reject, SpoilPermille: d.spoil}
	return bureau.Start(ctx, c)
}
