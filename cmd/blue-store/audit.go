package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/internal/display"
)

func auditCommand(a *app) *cobra.Command {
	return a.group(&cobra.Command{
		Use:   "audit",
		Short: "Read, verify and sign the log of all reads, writes and erasures",
		Long: "Every read and write stores an event in a hash chain of its process. Signed checkpoints record\n" +
			"the length of each chain. These commands need no key of a dialogue.",
		Example: "  blue-store audit report\n  blue-store audit verify\n  blue-store audit list --dialogue which-cache --since 24h",
	}, auditListCommand, auditVerifyCommand, auditReportCommand, auditCheckpointCommand, auditProofCommand,
		auditExportCommand, auditWatchCommand, auditKeyCommand, auditForgetCommand)
}

// auditSession is a store that is open for reading its audit log.
type auditSession struct {
	config  config
	records backend
	source  auditor.Source
	names   map[string]string // pseudonym → name, for the users in the directory
}

func (a *app) openAudit(ctx context.Context) (*auditSession, error) {
	c, records, err := a.openStored(ctx, true)
	if err != nil {
		return nil, err
	}
	names, err := audit.NewDirectory(records).Names(ctx)
	if err != nil {
		records.Close()
		return nil, err
	}
	return &auditSession{c, records, auditor.FromStore(records), names}, nil
}

func (s *auditSession) close() { s.records.Close() }

// withAudit opens the audit log of an existing store, calls do, and closes the store.
func (a *app) withAudit(ctx context.Context, do func(*auditSession) error) error {
	s, err := a.openAudit(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return do(s)
}

// openStored opens the records of an existing store.
func (a *app) openStored(ctx context.Context, readOnly bool) (config, backend, error) {
	c, err := a.config()
	if err == nil {
		err = c.checkExists()
	}
	if err != nil {
		return c, nil, err
	}
	records, err := a.openRecords(ctx, c, readOnly)
	return c, records, err
}

// pseudonymsOf returns the pseudonyms of a user, who has one for each identity in
// AWS. names maps pseudonyms to names.
func pseudonymsOf(user string, names map[string]string) []string {
	found := []string{}
	for pseudonym, name := range names {
		if name == user || userOf(name) == user {
			found = append(found, pseudonym)
		}
	}
	return found
}

// checkLog verifies the whole log and shows its progress.
func (a *app) checkLog(ctx context.Context, src auditor.Source, opts auditor.Options) (auditor.Report, error) {
	p := a.progress()
	defer p.end()
	opts.Progress = p.log
	return auditor.Verify(ctx, src, &opts)
}

// eventFlags contains the flags that select events.
type eventFlags struct {
	auditor.Filter
	user, since, until string
}

func (p *eventFlags) add(f *pflag.FlagSet) {
	f.StringVar(&p.since, "since", "", "only from this `TIME` on: RFC 3339, a date, or a duration before now (24h)")
	f.StringVar(&p.until, "until", "", "only before this `TIME`")
	f.StringVar(&p.Dialogue, "dialogue", "", "only of the dialogue with this `ID`")
	f.StringVar(&p.user, "user", "", "only of this `USER`")
	f.StringVar((*string)(&p.Operation), "operation", "", "only of this `OPERATION`: encrypt, decrypt, unwrap_dek, erase …")
	f.StringVar((*string)(&p.Outcome), "outcome", "", "only with this `OUTCOME`: success, failure, denied, intent")
	f.StringVar(&p.TraceID, "trace", "", "only of the trace with this `ID`")
	f.StringVar(&p.Chain, "chain", "", "only of this `CHAIN`")
}

// filter returns the filter that the flags describe, without the user.
func (p *eventFlags) filter(now time.Time) (f auditor.Filter, err error) {
	f = p.Filter
	if !slices.Contains([]audit.Outcome{"", audit.Success, audit.Failure, audit.Denied, audit.Intent}, f.Outcome) {
		return f, usage("unknown outcome %q; the outcomes are success, failure, denied and intent", clipArgument(string(f.Outcome)))
	}
	if f.Dialogue != "" {
		if _, err := blue.ParseDialogueID(f.Dialogue); err != nil {
			return f, err
		}
	}
	if f.From, err = parseTime("--since", p.since, now); err != nil {
		return f, err
	}
	f.To, err = parseTime("--until", p.until, now)
	return f, err
}

// parseTime parses the time in a flag. It returns the zero time for "".
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage("%s %q is not a time; for example 2026-01-31, 2026-01-31T12:00:00Z or 24h", flag, clipArgument(text))
}

func auditCheckpointCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Verify the log and sign the events that no checkpoint covers yet",
		Long: "Verifies the whole log and then signs the unproven ends of chains, for example the chain of a\n" +
			"killed process. After that, every change to the signed events is detected. Events that were\n" +
			"removed before cannot be detected, so a chain that was never closed stays unproven after its\n" +
			"end. Ends younger than two minutes are skipped, because their process can still sign them.\n" +
			"If the verification finds an error, nothing is signed.",
		Example: "  blue-store audit checkpoint",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withAudit(c.Context(), func(s *auditSession) error { return a.auditCheckpoint(c.Context(), s) })
		},
	}
}

// checkpointAnswer is the answer of audit checkpoint, schema blue-store/audit-checkpoint@1.
type checkpointAnswer struct {
	Schema string       `json:"schema"`
	Signed []signedTail `json:"signed"`
	Fresh  int          `json:"fresh"` // skipped, because their process can sign them
}

type signedTail struct {
	Chain string `json:"chain"`
	Size  uint64 `json:"size"`
	Note  string `json:"note"`
}

func (a *app) auditCheckpoint(ctx context.Context, s *auditSession) error {
	records, err := a.openRecords(ctx, s.config, false)
	if err != nil {
		return err
	}
	defer records.Close()
	opts, err := a.auditOptions(ctx, s.config, nil)
	if err != nil {
		return err
	}
	p := a.progress()
	defer p.end()
	opts.Progress = p.log
	report, tails, err := auditor.Unsigned(ctx, auditor.FromStore(records), opts)
	p.end()
	if err != nil {
		return err
	}
	if report.Err() != nil {
		return a.auditAnswer(report)
	}
	signer, err := s.config.audit.signer(ctx)
	if err != nil {
		return err
	}
	answer := checkpointAnswer{Schema: "blue-store/audit-checkpoint@1", Signed: []signedTail{}}
	for _, t := range tails {
		if t.Fresh {
			answer.Fresh++
			continue
		}
		text, err := auditor.SignTail(ctx, auditor.FromStore(records), t, signer)
		if err == nil {
			err = audit.PutCheckpoint(ctx, records, opts.Anchors, t.Chain, t.Events, text)
		}
		if err != nil {
			return err
		}
		answer.Signed = append(answer.Signed, signedTail{t.Chain, t.Events, text})
	}
	return a.answer(answer, answer.text)
}

func (c checkpointAnswer) text(w io.Writer) {
	for _, s := range c.Signed {
		fmt.Fprintf(w, "signed: chain %s, %s\n", s.Chain, display.Count(s.Size, "event"))
	}
	if c.Fresh > 0 {
		fmt.Fprintf(w, "skipped: %s whose process can still be running\n", display.Count(c.Fresh, "chain"))
	}
	if len(c.Signed)+c.Fresh == 0 {
		fmt.Fprintln(w, "every event is covered by a checkpoint")
	}
}

func auditForgetCommand(a *app) *cobra.Command {
	var confirm string
	c := &cobra.Command{
		Use:   "forget USER",
		Short: "Delete the link between a user's name and the events in the log",
		Long: "Events contain pseudonyms. A directory in the key table maps them to names. forget deletes the\n" +
			"user's entries there. The log stays complete and verifies as before. You must confirm the name,\n" +
			"on a terminal or with --confirm. Copies of the key table can still contain the entries.",
		Example: "  blue-store audit forget ada --confirm ada",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.auditForget(c.Context(), args[0], confirm) },
	}
	c.Flags().StringVar(&confirm, "confirm", "", "the name of the `USER` again, instead of the question on a terminal")
	return c
}

// forgetAnswer is the answer of audit forget, schema blue-store/audit-forget@1.
type forgetAnswer struct {
	Schema    string   `json:"schema"`
	User      string   `json:"user"`
	Forgotten []string `json:"forgotten"` // pseudonyms without a name now
}

func (a *app) auditForget(ctx context.Context, user, confirm string) error {
	err := a.confirm(ctx, confirmation{
		given: confirm, name: user, warning: "This permanently deletes the name " + clipArgument(user) + " from the directory of the audit log.",
		wants: "audit forget requires the name as confirmation", hint: "blue-store audit forget " + clipArgument(user) + " --confirm " + clipArgument(user), undone: "forgotten",
	})
	if err != nil {
		return err
	}
	_, records, err := a.openStored(ctx, false)
	if err != nil {
		return err
	}
	defer records.Close()
	directory := audit.NewDirectory(records)
	names, err := directory.Names(ctx)
	if err != nil {
		return err
	}
	forgotten := pseudonymsOf(user, names)
	if len(forgotten) == 0 {
		return notFound("the directory has no user %s", clipArgument(user))
	}
	for _, pseudonym := range forgotten {
		if err := directory.Forget(ctx, names[pseudonym]); err != nil {
			return err
		}
	}
	return a.answerText(forgetAnswer{"blue-store/audit-forget@1", user, forgotten},
		fmt.Sprintf("forgotten: %s (%s)\n", display.OneLine(user), display.Count(len(forgotten), "pseudonym")))
}
