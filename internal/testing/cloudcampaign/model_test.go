package cloudcampaign

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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
		detail   string // the error, or ""
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

// falseRefusals describes the writes that were answered as refused although the
// last read holds their text and no other operation can have written it. Each
// name counts once.
func falseRefusals(ops []porcupine.Operation) []string {
	var final reply
	var last int64
	refused, explained := map[call][]string{}, map[call]bool{}
	for _, op := range ops {
		c, r := op.Input.(call), op.Output.(reply)
		switch r.outcome {
		case "read":
			if op.Call >= last {
				final, last = r, op.Call
			}
		case "conflict", "nothing":
			refused[c] = append(refused[c], fmt.Sprintf("client %d at %v–%v %+v → %+v", op.ClientId, time.Duration(op.Call), time.Duration(op.Return), c, r))
		case "done", "unknown":
			explained[c] = true
		}
	}
	var found []string
	for c, answers := range refused {
		if text, there := lookup(final.contents, c.name); there && text == c.text && !explained[c] {
			found = append(found, strings.Join(answers, "; "))
		}
	}
	slices.Sort(found)
	return found
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

// TestFalseRefusals checks which answers count as false refusals.
func TestFalseRefusals(t *testing.T) {
	answered := func(at int64, name, text, outcome string) porcupine.Operation {
		return porcupine.Operation{Call: at, Return: at + 1, Input: call{name: name, text: text}, Output: reply{outcome: outcome}}
	}
	read := func(at int64, contents string) porcupine.Operation {
		return porcupine.Operation{Call: at, Return: at + 1, Input: call{}, Output: reply{outcome: "read", contents: contents}}
	}
	for _, c := range []struct {
		name string
		ops  []porcupine.Operation
		want int
	}{
		{"stored and refused", []porcupine.Operation{answered(1, "round 1", "a", "conflict"), read(2, "round 1=a;")}, 1},
		{"stored and nothing said to be written", []porcupine.Operation{answered(1, "round 1", "a", "nothing"), read(2, "round 1=a;")}, 1},
		{"stored at the last read alone", []porcupine.Operation{answered(1, "round 1", "a", "conflict"), read(9, "round 1=a;"), read(2, "")}, 1},
		{"refused twice", []porcupine.Operation{answered(1, "round 1", "a", "conflict"), answered(2, "round 1", "a", "nothing"), read(3, "round 1=a;")}, 1},
		{"absent", []porcupine.Operation{answered(1, "round 1", "a", "conflict"), read(2, "round 2=a;")}, 0},
		{"another text is stored", []porcupine.Operation{answered(1, "round 1", "a", "conflict"), read(2, "round 1=b;")}, 0},
		{"another operation wrote it", []porcupine.Operation{answered(1, "round 1", "a", "nothing"), answered(1, "round 1", "a", "done"), read(2, "round 1=a;")}, 0},
		{"another operation may have written it", []porcupine.Operation{answered(1, "round 1", "a", "nothing"), answered(1, "round 1", "a", "unknown"), read(2, "round 1=a;")}, 0},
		{"an answer that writes nothing explains nothing", []porcupine.Operation{answered(1, "round 1", "a", "conflict"), answered(1, "round 1", "a", "repeated"), read(2, "round 1=a;")}, 1},
	} {
		if got := falseRefusals(c.ops); len(got) != c.want {
			t.Errorf("%s: %d false refusals, want %d: %q", c.name, len(got), c.want, got)
		}
	}
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
