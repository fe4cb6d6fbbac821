package cloudcampaign

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"

	blue "github.com/superviber/blue-encrypted-store"
)

// A history is of one dialogue, seen as a set of names, each with a text:
// rounds, small and big, and experts. Its version is one more than their
// number, for each is one commit.
type (
	call struct {
		name, text string // "round 3", "expert 5"; both empty for a read
		big        bool
	}
	reply struct {
		outcome  string // "done", "repeated", "conflict", "nothing", "unknown", "read"
		contents string // of a read: the set, as text
		version  uint64
	}
)

// dialogueModel is what one dialogue may answer, one request at a time. State
// is the set as text.
var dialogueModel = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		s, in, out := state.(string), input.(call), output.(reply)
		text, there := lookup(s, in.name)
		switch out.outcome {
		case "read":
			return out.contents == s && out.version == uint64(1+strings.Count(s, ";")), s
		case "nothing":
			return true, s
		case "conflict":
			return there && text != in.text, s
		case "repeated":
			return there && text == in.text, s
		case "unknown": // it may have happened at any time since, or at the end of all
			if there {
				return true, s
			}
			return true, with(s, in)
		}
		if there { // an expert's answer does not say that it was there
			return text == in.text && strings.HasPrefix(in.name, "expert"), s
		}
		return true, with(s, in)
	},
	Equal:             func(a, b any) bool { return a == b },
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
}

func lookup(state, name string) (text string, there bool) {
	for entry := range strings.SplitSeq(state, ";") {
		if n, t, _ := strings.Cut(entry, "="); n == name && name != "" {
			return t, true
		}
	}
	return "", false
}

// with adds an entry; entries are in order, each with a ';' behind it.
func with(state string, in call) string {
	entries := strings.Split(strings.TrimSuffix(state, ";"), ";")
	if state == "" {
		entries = nil
	}
	return text(append(entries, in.name+"="+in.text))
}

func text(entries []string) string {
	slices.Sort(entries)
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e + ";")
	}
	return b.String()
}

// contents is what a read shows, as the model writes it.
func contents(t *testing.T, s *blue.Snapshot) string {
	var entries []string
	for _, e := range s.Experts {
		entries = append(entries, "expert "+strings.TrimPrefix(string(e.Slug), "expert-")+"="+e.Role)
	}
	for _, r := range s.Rounds {
		entities, events, _, _ := entitiesOf(s, int(r.Round))
		if want := entitiesIn(int(r.Round)); entities != want || events != want {
			t.Errorf("round %d is torn: %d entities, %d events, not %d", r.Round, entities, events, want)
		}
		entries = append(entries, fmt.Sprintf("round %d=%s", r.Round, r.Title))
	}
	return text(entries)
}

// bigRound is the round that is a commit through the log: of 102 writes, just
// above what one transaction takes.
const bigRound = 30

func entitiesIn(round int) int {
	if round == bigRound {
		return 49
	}
	return 1
}
