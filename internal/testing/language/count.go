package language

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Limit is the number of phrases per 1,000 words that a unit must not exceed.
const Limit = 3.0

// Hit is one use of a marker.
type Hit struct {
	Marker Marker
	Text   Text
	Line   int
	Around string // the words around the phrase
}

func (h Hit) String() string {
	return fmt.Sprintf("%s:%d: %s: %s (%s)", h.Text.File, h.Line, h.Marker.Name, h.Around, h.Text.Kind)
}

// Tally counts the words and phrases of some texts.
type Tally struct {
	Words      int
	Semicolons int // at the end of a clause; reported only
	Hits       []Hit
}

// Rate returns the phrases per 1,000 words.
func (t *Tally) Rate() float64 {
	if t.Words == 0 {
		return 0
	}
	return 1000 * float64(len(t.Hits)) / float64(t.Words)
}

// Add counts the texts of another tally too.
func (t *Tally) Add(other *Tally) {
	if other == nil {
		return
	}
	t.Words += other.Words
	t.Semicolons += other.Semicolons
	t.Hits = append(t.Hits, other.Hits...)
}

// Hard returns the hits of the hard list.
func (t *Tally) Hard() []Hit {
	var hard []Hit
	for _, h := range t.Hits {
		if h.Marker.Hard {
			hard = append(hard, h)
		}
	}
	return hard
}

var (
	word      = regexp.MustCompile(`\p{L}[\p{L}\p{N}_'’-]*`)
	semicolon = regexp.MustCompile(`\p{L};(?:\s|$)`)
)

func words(body string) int { return len(word.FindAllStringIndex(body, -1)) }

// Counts maps each unit and kind to its tally.
type Counts map[string]map[Kind]*Tally

// Count counts the markers in the texts.
func Count(texts []Text) Counts {
	counts := Counts{}
	markers := Markers()
	for _, text := range texts {
		unit := counts[text.Unit]
		if unit == nil {
			unit = map[Kind]*Tally{}
			counts[text.Unit] = unit
		}
		t := unit[text.Kind]
		if t == nil {
			t = &Tally{}
			unit[text.Kind] = t
		}
		t.Words += words(text.Body)
		t.Semicolons += len(semicolon.FindAllStringIndex(text.Body, -1))
		for _, m := range markers {
			for _, at := range m.find(text.Body) {
				line := text.Line
				if text.Kind != Message && text.Kind != TestMessage && text.Kind != Help {
					line += strings.Count(text.Body[:at], "\n")
				}
				t.Hits = append(t.Hits, Hit{m, text, line, around(text.Body, at)})
			}
		}
	}
	return counts
}

// around returns about 30 bytes before an offset and 50 after it, in one line.
func around(body string, at int) string {
	from, to := max(0, at-30), min(len(body), at+50)
	return strings.Join(strings.Fields(strings.ToValidUTF8(body[from:to], "")), " ")
}

// Units returns the names of all units in order.
func (c Counts) Units() []string { return slices.Sorted(maps.Keys(c)) }

// Sum returns the tally of some kinds in one unit, or in all if unit is "".
func (c Counts) Sum(unit string, kinds ...Kind) *Tally {
	sum := &Tally{}
	for _, name := range c.Units() {
		if unit == "" || name == unit {
			for _, k := range kinds {
				sum.Add(c[name][k])
			}
		}
	}
	slices.SortStableFunc(sum.Hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(a.Text.File, b.Text.File), cmp.Compare(a.Line, b.Line))
	})
	return sum
}

// Exempt maps the packages that are not rewritten yet to the reason. For them
// and the packages below them, only the hard list counts.
var Exempt = map[string]string{
	"internal/importer": "a new reader replaces the Markdown reader",
	"erasure":           "the erasure protocol gets a new package",
	"audit/auditor":     "the auditor is rewritten with the new audit queries",
}

func exempt(unit string) bool {
	for dir := range Exempt {
		if unit == dir || strings.HasPrefix(unit, dir+"/") {
			return true
		}
	}
	return false
}

// limited lists the sums of kinds that must each keep the limit.
var limited = [][]Kind{{Comment}, {Comment, TestComment}, {Message}, {TestMessage}, {Help}, {Script}, {Document}}

// Failures returns what breaks the rule, one sentence for each unit and kind.
// One phrase in a short text does not break it, unless the phrase is hard.
func (c Counts) Failures() []string {
	var failures []string
	for _, unit := range c.Units() {
		for _, kinds := range limited {
			t := c.Sum(unit, kinds...)
			if len(t.Hits) >= 2 && t.Rate() > Limit && !exempt(unit) {
				failures = append(failures, fmt.Sprintf("%s: %s: %.1f phrases per 1,000 words (%d in %d), at most %.0f are allowed", unit, joined(kinds), t.Rate(), len(t.Hits), t.Words, Limit))
			}
		}
		for _, h := range c.Sum(unit, Kinds...).Hard() {
			failures = append(failures, h.String()+": this phrase must not be used: "+h.Marker.Reason)
		}
	}
	return failures
}

func joined(kinds []Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return strings.Join(names, " and ")
}
