package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
)

// auditCommands lists the commands below audit.
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
		Short: "Read, verify and sign the log of who opened, wrote and erased what",
		Long: "Every read and write leaves an event in a hash chain of the process that did it, and signed\n" +
			"checkpoints say how long each chain was. These commands need no key of a dialogue.",
		Example: "  blue-store audit report\n  blue-store audit verify\n  blue-store audit list --dialogue which-cache --since 24h",
	}, auditCommands)
}

// auditSession is an open store, below the seal, whose log is read.
type auditSession struct {
	config  config
	records backend
	source  auditor.Source
	names   map[string]string // pseudonym → name, where it is known
}

func (a *app) openAudit(ctx context.Context) (*auditSession, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	if err := c.present(); err != nil {
		return nil, err
	}
	records, err := a.openRecords(ctx, c, true)
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

// name is what people call a principal.
func (s *auditSession) name(principal string) string {
	if name, known := s.names[principal]; known {
		return name
	}
	return principal
}

// checkLog verifies the whole log and shows how far it has come.
func (a *app) checkLog(ctx context.Context, src auditor.Source, opts auditor.Options) (auditor.Report, error) {
	p := a.progress()
	defer p.end()
	opts.Progress = p.log
	return auditor.Verify(ctx, src, &opts)
}

// picked are the flags that pick events.
type picked struct {
	since, until                                  string
	dialogue, user, operation, outcome, id, chain string
}

func (p *picked) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&p.since, "since", "", "from this `TIME` on: RFC 3339, a date, or how long ago (24h)")
	f.StringVar(&p.until, "until", "", "before this `TIME`")
	f.StringVar(&p.dialogue, "dialogue", "", "only of this dialogue's `ID`")
	f.StringVar(&p.user, "user", "", "only of this `USER`")
	f.StringVar(&p.operation, "operation", "", "only this `OPERATION`: encrypt, decrypt, unwrap_dek, erase …")
	f.StringVar(&p.outcome, "outcome", "", "only this `OUTCOME`: success, failure, denied, intent")
	f.StringVar(&p.id, "trace", "", "only of this trace's `ID`")
	f.StringVar(&p.chain, "chain", "", "only of this `CHAIN`")
}

// filter reads the flags.
func (p *picked) filter(now time.Time) (f auditor.Filter, err error) {
	f = auditor.Filter{
		Dialogue: p.dialogue, Operation: audit.Operation(p.operation), Outcome: audit.Outcome(p.outcome), TraceID: p.id, Chain: p.chain,
	}
	if p.outcome != "" && f.Outcome != audit.Success && f.Outcome != audit.Failure && f.Outcome != audit.Denied && f.Outcome != audit.Intent {
		return f, usage("unknown outcome %q; an event has success, failure, denied or intent", clipped(p.outcome))
	}
	if p.dialogue != "" {
		if _, err := blue.ParseDialogueID(p.dialogue); err != nil {
			return f, err
		}
	}
	if f.From, err = moment("--since", p.since, now); err != nil {
		return f, err
	}
	f.To, err = moment("--until", p.until, now)
	return f, err
}

// matches reports whether an event is of the user that was asked for, who may
// have several pseudonyms.
func (s *auditSession) matches(p *picked, e audit.Event) bool {
	return p.user == "" || e.Principal == p.user || s.name(e.Principal) == p.user || userOf(s.name(e.Principal)) == p.user
}

// moment reads a time as typed; the zero time for "".
func moment(flag, text string, now time.Time) (time.Time, error) {
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
	return time.Time{}, usage("%s %q is no time; for example 2026-01-31, 2026-01-31T12:00:00Z or 24h", flag, clipped(text))
}
