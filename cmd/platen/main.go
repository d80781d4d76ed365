// Command platen is the press between an issuer and its embossing houses: the one binary with every subcommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // business dates need every zone, on machines without zone files too

	"github.com/spf13/cobra"
)

// version is set by the build.
var version = "devel"

// shared are the flags that every command has.
type shared struct {
	config string
	json   bool
}

func main() {
	if err := armFaults(os.Getenv(faultVariable)); err != nil {
		fmt.Fprintln(os.Stderr, "platen:", err)
		os.Exit(1)
	}
	relaxCollector()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	out := &stickyWriter{w: os.Stdout}
	root := rootCommand()
	root.SetOut(out)
	err := root.ExecuteContext(ctx)
	stop()
	if err == nil && out.err != nil {
		err = fmt.Errorf("write the answer: %w", out.err)
	}
	if err == nil {
		return
	}
	var exit exitError
	if errors.As(err, &exit) {
		os.Exit(int(exit))
	}
	fmt.Fprintln(os.Stderr, "platen:", err)
	os.Exit(1)
}

// relaxCollector lets the heap grow to four times of what is in use before the collector runs, unless the environment's GOGC says otherwise: a worker uses
// some ten MiB and goes through gigabytes, so that the usual factor of two would have it collect most of the time.
func relaxCollector() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(300)
	}
}

// exitError ends the process with a code when everything there is to say was said.
type exitError int

// Error implements error.
func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func rootCommand() *cobra.Command {
	s := &shared{}
	root := &cobra.Command{
		Use:   "platen",
		Short: "Orders for cards go in, personalization files reach the bureaus, and the books balance to the card",
		Long: `Platen stands between a card issuer and its embossing houses: it takes orders for cards, makes their numbers and
security values, writes the files that bureaus print from, delivers them over SFTP, reads what the bureaus answer,
and knows of every card where it is.

Try it with nothing but this binary:  platen demo`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.PersistentFlags().StringVarP(&s.config, "config", "c", "platen.yaml", "configuration file of this process")
	root.PersistentFlags().BoolVar(&s.json, "json", false, "print machine-readable JSON on standard output")
	root.AddCommand(demoCommand(s), initCommand(s), serveCommand(s), workCommand(s), workersCommand(s), runCommand(s), applyCommand(s), orderCommand(s), cardCommand(s),
		fileCommand(s), booksCommand(s), bureauCommand(s), returnCommand(s), inboxCommand(s), checkCommand(s), purgeCommand(s), clientCommand(s), keysCommand(s), rangeCommand(s), dbCommand(s), layoutCommand(s), nameCommand(s), vectorsCommand(s), benchCommand(s), versionCommand(s))
	return root
}
