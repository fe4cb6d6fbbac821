package auditor

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// A Filter selects events by their fields, which are not verified. An empty field
// selects all.
type Filter struct {
	From, To  time.Time // From ≤ timestamp < To
	Dialogue  string
	Principal string // the pseudonym or name in the event
	Operation audit.Operation
	Outcome   audit.Outcome
	TraceID   string
	Chain     string
}

const timestamp = record.TimeLayout

func (f Filter) picks(e *audit.Event) bool {
	return (f.From.IsZero() || e.Timestamp >= f.From.UTC().Format(timestamp)) &&
		(f.To.IsZero() || e.Timestamp < f.To.UTC().Format(timestamp)) &&
		(f.Dialogue == "" || f.Dialogue == e.Dialogue) &&
		(f.Principal == "" || f.Principal == e.Principal) &&
		(f.Operation == "" || f.Operation == e.Operation) &&
		(f.Outcome == "" || f.Outcome == e.Outcome) &&
		(f.TraceID == "" || f.TraceID == e.TraceID)
}

// Events yields the selected events of all chains as they are stored, chain by
// chain. An error is the last value.
func Events(ctx context.Context, src Source, f Filter) iter.Seq2[audit.Event, error] {
	return func(yield func(audit.Event, error) bool) {
		for chain, err := range src.Chains(ctx) {
			if err != nil {
				yield(audit.Event{}, err)
				return
			}
			if f.Chain != "" && f.Chain != chain {
				continue
			}
			for r, err := range src.Records(ctx, record.ChainPartition(chain), "") {
				if err != nil {
					yield(audit.Event{}, err)
					return
				}
				if e := audit.DecodeEvent(r); f.picks(&e) && !yield(e, nil) {
					return
				}
			}
		}
	}
}

// A Use counts the events of one principal, dialogue, operation, outcome and
// error class.
type Use struct {
	Principal string          `json:"principal"` // the name if it is known, else the pseudonym
	Dialogue  string          `json:"dialogue,omitempty"`
	Operation audit.Operation `json:"operation"`
	Outcome   audit.Outcome   `json:"outcome"`
	Class     string          `json:"error_class,omitempty"`
	Times     uint64          `json:"times"` // number of events
	Items     int64           `json:"items"` // sum of the items that were read or written
	First     string          `json:"first"` // smallest timestamp
	Last      string          `json:"last"`  // largest timestamp
}

// A Summary counts the events of a log. It does not verify them, see [Verify].
type Summary struct {
	First    string   `json:"first,omitempty"`
	Last     string   `json:"last,omitempty"`
	Chains   int      `json:"chains"`
	Events   uint64   `json:"events"`
	Uses     []Use    `json:"uses"`                      // successes, sorted by principal, dialogue, operation, outcome and class
	Refused  []Use    `json:"refused,omitempty"`         // failures and denials
	Erasures []Use    `json:"erasures,omitempty"`        // erase and destroy_key with any outcome
	Unclosed int      `json:"unclosed"`                  // chains without a close
	Open     []string `json:"unclosed_chains,omitempty"` // the first 100 of these
}

// Summarize returns the summary of the selected events. names maps pseudonyms to
// names ([audit.Directory.Names]). A principal without a name is shown as in the
// event. The memory grows with the number of uses, not of events. Summarize
// returns the errors of src.
func Summarize(ctx context.Context, src Source, names map[string]string, f Filter) (Summary, error) {
	var s Summary
	uses := make(map[Use]*Use)
	for chain, err := range src.Chains(ctx) {
		if err != nil {
			return Summary{}, err
		}
		if f.Chain != "" && f.Chain != chain {
			continue
		}
		closed := false
		for r, err := range src.Records(ctx, record.ChainPartition(chain), "") {
			if err != nil {
				return Summary{}, err
			}
			e := audit.DecodeEvent(r)
			closed = e.Operation == audit.Close
			if f.picks(&e) {
				s.add(uses, e, names)
			}
		}
		if s.Chains++; closed {
			continue
		}
		if s.Unclosed++; len(s.Open) < listed {
			s.Open = append(s.Open, chain)
		}
	}
	s.sort(uses)
	return s, nil
}

func (s *Summary) add(uses map[Use]*Use, e audit.Event, names map[string]string) {
	s.Events++
	if s.First == "" || e.Timestamp < s.First {
		s.First = e.Timestamp
	}
	s.Last = max(s.Last, e.Timestamp)
	if e.Operation != audit.Genesis && e.Operation != audit.Close && e.Operation != audit.Void {
		count(uses, e, names)
	}
}

func count(uses map[Use]*Use, e audit.Event, names map[string]string) {
	key := Use{Principal: cmp.Or(names[e.Principal], e.Principal), Dialogue: e.Dialogue, Operation: e.Operation, Outcome: e.Outcome, Class: e.ErrorClass}
	u := uses[key]
	if u == nil {
		first := key
		first.First = e.Timestamp
		u = &first
		uses[key] = u
	}
	u.Times++
	u.Items += e.ItemCount
	u.First, u.Last = min(u.First, e.Timestamp), max(u.Last, e.Timestamp)
}

func (s *Summary) sort(uses map[Use]*Use) {
	for _, u := range uses {
		switch {
		case u.Operation == audit.Erase || u.Operation == audit.DestroyKey:
			s.Erasures = append(s.Erasures, *u)
		case u.Outcome == audit.Failure || u.Outcome == audit.Denied:
			s.Refused = append(s.Refused, *u)
		default:
			s.Uses = append(s.Uses, *u)
		}
	}
	for _, list := range [][]Use{s.Uses, s.Refused, s.Erasures} {
		slices.SortFunc(list, func(a, b Use) int {
			return cmp.Or(strings.Compare(a.Principal, b.Principal), strings.Compare(a.Dialogue, b.Dialogue),
				cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Outcome, b.Outcome), strings.Compare(a.Class, b.Class))
		})
	}
}
