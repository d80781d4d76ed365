package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"platen/bureau"
	"platen/programs"
	"platen/samples"
)

// dials are how a simulated bureau behaves.
type dials struct {
	seed           string
	reject, spoil  int
	poll           time.Duration
	only, programs string
	profile        string        // of the samples, or a file; empty = the two parts of a thousand
	dial           []string      // key=value, over the profile's
	day            time.Duration // how long a day of the profile lasts
}

func bureauCommand(s *shared) *cobra.Command {
	c := &cobra.Command{Use: "bureau", Short: "Look at the bureaus, and play them"}
	var d dials
	simulate := &cobra.Command{
		Use: "simulate", Short: "Play the bureaus of a directory made by platen init: take files, check every record, answer",
		Long: `Starts a real SFTP server for each bureau of the programs, on the address that they name. A finished file is decrypted, its
signature verified, parsed with its layout, and each record checked with the test keys that the bureau was given: number,
tracks, CVV, CVV2, iCVV and PIN block. Then it answers with an ack and a status file, with seeded rejects and spoilage.

--profile NAME|FILE gives the bureaus a character that changes in the course of time: bad-week is a week in which answers are late, doubled, cut short,
one house is away for a day and one eats a file; in full they answer in every kind that they declare: production, stock, dispatch, delivery, destruction and
pin-status beside ack and status. --day 10m lets one of its days last ten minutes. --dial KEY=VALUE turns a dial by hand: reject, spoil, duplicate, truncate,
wrong_counts, unknown, return and lose in a thousand; late, again, dispatch and deliver as durations; everything, out_of_order, down, take_at_once, lie and
new_host_key as true; eat as a number of files; disk_bytes and reset_after in bytes. What each bureau does is written to journal.jsonl in its directory.

Where a bureau declares sealed_returns, its answers are OpenPGP messages to the issuer, signed with the bureau's key.`,
		Args: cobra.NoArgs,
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			set := cmd.Flags().Changed
			switch {
			case d.profile != "" && (set("reject") || set("spoil")):
				return errors.New("--reject and --spoil are for bureaus without a profile: turn the profile's own with --dial reject=N or --dial spoil=N")
			case d.profile == "" && set("day"):
				return errors.New("--day is how long a day of a profile lasts: name the profile with --profile")
			}
			return nil
		},
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
	simulate.Flags().StringVar(&d.profile, "profile", "", "how the bureaus behave: good, full, bad-week, or a YAML file")
	simulate.Flags().StringArrayVar(&d.dial, "dial", nil, "KEY=VALUE: turn a dial, over those of the profile; may be repeated")
	simulate.Flags().DurationVar(&d.day, "day", 24*time.Hour, "how long a day of the profile lasts")
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
	if c.Profile, err = d.character(); err != nil {
		return nil, err
	}
	return bureau.Start(ctx, c)
}

// character is the profile that was asked for, with its dials turned.
func (d dials) character() (bureau.Profile, error) {
	if d.profile == "" && len(d.dial) == 0 {
		return bureau.Profile{}, nil
	}
	body := fmt.Appendf(nil, "name: by hand\ndials: {reject: %d, spoil: %d}\n", d.reject, d.spoil)
	if d.profile != "" {
		var err error
		if body, err = fs.ReadFile(samples.FS, path.Join("bureaus", d.profile+".yaml")); err != nil {
			if body, err = os.ReadFile(d.profile); err != nil {
				return bureau.Profile{}, fmt.Errorf("there is no profile of this name, nor a file: %w", err)
			}
		}
	}
	lines := make([]string, len(d.dial))
	for i, turned := range d.dial {
		key, value, ok := strings.Cut(turned, "=")
		if !ok {
			return bureau.Profile{}, fmt.Errorf("a dial is turned with KEY=VALUE, not with %q", turned)
		}
		lines[i] = key + ": " + value
	}
	p, err := bureau.LoadProfile(body, lines...)
	if err == nil && d.day != 0 && d.day != 24*time.Hour {
		p.Scale(d.day)
	}
	return p, err
}
