package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"platen/batch"
	"platen/sql/store"
)

func fileCommand(s *shared) *cobra.Command {
	var institution string
	c := &cobra.Command{Use: "file", Short: "Look at files and prove that they can be made again"}
	c.PersistentFlags().StringVar(&institution, "institution", "", "institution, where several are declared")
	c.AddCommand(fileList(s, &institution), fileShow(s, &institution), fileLines(s, &institution), fileDescribe(s, &institution), fileVerify(s, &institution), fileReplay(s, &institution), fileCopy(s, &institution), fileAdvance(s, &institution), fileResolve(s, &institution), fileResend(s, &institution))
	return c
}

// findFile reads a file's id or number.
func (a *app) findFile(ctx context.Context, i store.Institution, name string) (store.File, error) {
	if number, err := strconv.ParseInt(name, 10, 64); err == nil {
		f, err := a.store.FileByNumber(ctx, number)
		if err == nil && f.Institution != i.ID {
			return f, fmt.Errorf("file %d: %w", number, store.ErrNotFound)
		}
		return f, err
	}
	id, err := uuid.Parse(name)
	if err != nil {
		return store.File{}, fmt.Errorf("%q is neither a file's id nor its number", name)
	}
	return a.store.File(ctx, i.ID, id)
}

func withFile(s *shared, institution *string, run func(*cobra.Command, *app, store.Institution, store.File) error) func(*cobra.Command, []string) error {
	return withApp(s, func(cmd *cobra.Command, a *app, args []string) error {
		i, err := a.institution(cmd.Context(), *institution)
		if err != nil {
			return err
		}
		f, err := a.findFile(cmd.Context(), i, args[0])
		if err != nil {
			return err
		}
		return run(cmd, a, i, f)
	})
}

func fileList(s *shared, institution *string) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Show the newest files", Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			i, err := a.institution(cmd.Context(), *institution)
			if err != nil {
				return err
			}
			files, err := a.store.Files(cmd.Context(), i.ID, 0, 100)
			if err != nil {
				return err
			}
			if err := a.plant.TellWaits(cmd.Context(), i.ID, files); err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), fileViews(files))
			}
			return printFiles(cmd.OutOrStdout(), files)
		}),
	}
}

func fileShow(s *shared, institution *string) *cobra.Command {
	return &cobra.Command{
		Use: "show ID|NUMBER", Short: "Show one file: counts, hashes, attempts to send it, and what happened to it", Args: cobra.ExactArgs(1),
		RunE: withFile(s, institution, func(cmd *cobra.Command, a *app, i store.Institution, f store.File) error {
			attempts, err := a.store.Attempts(cmd.Context(), f.Number)
			if err != nil {
				return err
			}
			layout, err := a.plant.LayoutOf(cmd.Context(), f)
			if err != nil {
				return err
			}
			shown := []store.File{f}
			if err := a.plant.TellWaits(cmd.Context(), i.ID, shown); err != nil {
				return err
			}
			events, err := a.store.Events(cmd.Context(), i.ID, "file", f.Number)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if s.json {
				return printJSON(w, map[string]any{"file": fileView(shown[0]), "attempts": attemptViews(attempts), "keys": json.RawMessage(f.Keys), "stamp": f.Stamp, "events": eventViews(events),
					"layout": map[string]string{"name": layout.Name(), "version": layout.Version(), "sha256": layout.Checksum()}})
			}
			if err := printFiles(w, shown); err != nil {
				return err
			}
			fmt.Fprintf(w, "\nlayout              %s, SHA-256 %s\nplaintext SHA-256   %s\nciphertext SHA-256  %s\nkeys                %s\nstamp               %s\n\n", layout, layout.Checksum(), hex.EncodeToString(f.PlaintextSHA),
				hex.EncodeToString(f.CiphertextSHA), f.Keys, f.Stamp)
			t := newTable(w, "attempt", "state", "name", "temporary name", "bytes", "code", "detail")
			for _, x := range attempts {
				t.row(x.Attempt, x.State, x.FinalName, x.TempName, x.CiphertextBytes, x.Code, x.Detail)
			}
			if err := t.flush(); err != nil {
				return err
			}
			return printEvents(w, events)
		}),
	}
}

func eventViews(events []store.Event) []map[string]any {
	all := make([]map[string]any, 0, len(events))
	for _, e := range events {
		all = append(all, map[string]any{"time": e.RecordedAt.UTC(), "event": e.Kind, "details": json.RawMessage(e.Data)})
	}
	return all
}

func attemptViews(attempts []store.Attempt) []map[string]any {
	all := make([]map[string]any, 0, len(attempts))
	for _, x := range attempts {
		all = append(all, map[string]any{"attempt": x.Attempt, "state": x.State, "copy": x.Copy, "name": x.FinalName, "temp_name": x.TempName, "bytes": x.CiphertextBytes,
			"ciphertext_sha256": hex.EncodeToString(x.CiphertextSHA), "code": x.Code, "detail": x.Detail, "started_at": x.StartedAt, "finished_at": x.FinishedAt})
	}
	return all
}

func fileAdvance(s *shared, institution *string) *cobra.Command {
	return &cobra.Command{
		Use: "advance", Short: "After a restore: move file numbers past every one that the ledger knows",
		Long: `After a database was restored from a backup, the high-water ledger knows files that the database does not, and planning stops so that no
bureau gets a file name twice. This moves the numbers and sequences of files past all of them.`,
		Args: cobra.NoArgs,
		RunE: withApp(s, func(cmd *cobra.Command, a *app, _ []string) error {
			i, err := a.institution(cmd.Context(), *institution)
			if err != nil {
				return err
			}
			if err := a.plant.AdvanceFiles(cmd.Context(), i, actor()); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "File numbers went on past the ledger; planning may go on.")
			return nil
		}),
	}
}

func fileResolve(s *shared, institution *string) *cobra.Command {
	var sent, resend, cancel bool
	var reason string
	c := &cobra.Command{
		Use: "resolve ID|NUMBER --sent|--resend|--cancel --reason WHY", Short: "Decide about a file that is IN_DOUBT or REFUSED, or give one up that cannot be made or sent",
		Long: `A file is IN_DOUBT when nobody can know whether the bureau has it, and REFUSED when the bureau will not take it. Ask the bureau, then say:
  --sent    the bureau has it (IN_DOUBT only); its answers settle the rest
  --resend  it has not; the same bytes go again
  --cancel  it will never be made; every card and PIN mailer of it waits for the next file. So may a file be given up whose last try
            failed while it was made or sent, when what it was declared with was wrong`,
		Args: cobra.ExactArgs(1),
		RunE: withFile(s, institution, func(cmd *cobra.Command, a *app, _ store.Institution, f store.File) error {
			answer := batch.AnswerSent
			switch {
			case resend:
				answer = batch.AnswerResend
			case cancel:
				answer = batch.AnswerCancel
			}
			resolved, err := a.plant.Resolve(cmd.Context(), f.Number, answer, reason, actor())
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), fileView(resolved))
			}
			return printFiles(cmd.OutOrStdout(), []store.File{resolved})
		}),
	}
	c.Flags().BoolVar(&sent, "sent", false, "the bureau has it")
	c.Flags().BoolVar(&resend, "resend", false, "the bureau has not; send the same bytes again")
	c.Flags().BoolVar(&cancel, "cancel", false, "it will never be made; its lines wait for the next file")
	c.Flags().StringVar(&reason, "reason", "", "why (needed)")
	c.MarkFlagsOneRequired("sent", "resend", "cancel")
	c.MarkFlagsMutuallyExclusive("sent", "resend", "cancel")
	cobra.CheckErr(c.MarkFlagRequired("reason"))
	return c
}
