package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
)

// auditCommands lists the subcommands of audit.
var auditCommands = []func(*app) *cobra.Command{
	auditListCommand,
	auditVerifyCommand,
	auditReportCommand,
	auditCheckpointCommand,
	auditProofCommand,
	auditExportCommand,
	auditWatchCommand,
	auditKeyCommand,
	auditForgetCommand,
}

func auditCommand(a *app) *cobra.Command {
	return a.group(&cobra.Command{
		Use:   "audit",
		Short: "Read, verify and sign the log of all reads, writes and erasures",
		Long: "Every read and write stores an event in a hash chain of its process. Signed checkpoints record\n" +
			"the length of each chain. These commands need no key of a dialogue.",
		Example: "  blue-store audit report\n  blue-store audit verify\n  blue-store audit list --dialogue which-cache --since 24h",
	}, auditCommands)
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
	since, until                                  string
	dialogue, user, operation, outcome, id, chain string
}

func (p *eventFlags) add(f *pflag.FlagSet) {
	f.StringVar(&p.since, "since", "", "only from this `TIME` on: RFC 3339, a date, or a duration before now (24h)")
	f.StringVar(&p.until, "until", "", "only before this `TIME`")
	f.StringVar(&p.dialogue, "dialogue", "", "only of the dialogue with this `ID`")
	f.StringVar(&p.user, "user", "", "only of this `USER`")
	f.StringVar(&p.operation, "operation", "", "only of this `OPERATION`: encrypt, decrypt, unwrap_dek, erase …")
	f.StringVar(&p.outcome, "outcome", "", "only with this `OUTCOME`: success, failure, denied, intent")
	f.StringVar(&p.id, "trace", "", "only of the trace with this `ID`")
	f.StringVar(&p.chain, "chain", "", "only of this `CHAIN`")
}

// filter returns the filter that the flags describe, without the user.
func (p *eventFlags) filter(now time.Time) (f auditor.Filter, err error) {
	f = auditor.Filter{
		Dialogue: p.dialogue, Operation: audit.Operation(p.operation), Outcome: audit.Outcome(p.outcome), TraceID: p.id, Chain: p.chain,
	}
	if !slices.Contains([]audit.Outcome{"", audit.Success, audit.Failure, audit.Denied, audit.Intent}, f.Outcome) {
		return f, usage("unknown outcome %q; the outcomes are success, failure, denied and intent", clip(p.outcome))
	}
	if p.dialogue != "" {
		if _, err := blue.ParseDialogueID(p.dialogue); err != nil {
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
	return time.Time{}, usage("%s %q is not a time; for example 2026-01-31, 2026-01-31T12:00:00Z or 24h", flag, clip(text))
}
