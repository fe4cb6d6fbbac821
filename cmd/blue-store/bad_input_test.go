package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// badInput is one command line that must be refused with this exit code and
// these words. It must not print a success on standard output or change the
// store.
type badInput struct {
	name  string
	args  []string
	stdin string
	exit  int
	words []string // on standard error
	// true if standard output has Blue's refusal
	answered bool
}

func register(data string) []string {
	return []string{"dialogue", "round-register", "--dialogue-id", "error-cases", "--round", "1", "--data", data}
}

func inRoundFlag(round string) []string {
	return []string{"dialogue", "round-register", "--dialogue-id", "error-cases", "--round=" + round, "--data", `{"score":1}`}
}

// grammar is the error text for a malformed id.
const grammar = "an id is 1 to 512 bytes of lower-case letters, digits and '-'"

// badArguments contains the rows "CLI" of the list of bad inputs.
func badArguments() []badInput {
	rows := []badInput{
		{name: "unknown command", args: []string{"shwo"}, exit: exitUsage, words: []string{"unknown command", "did you mean blue-store show?"}},
		{name: "unknown subcommand", args: []string{"dialogue", "round-regster"}, exit: exitUsage, words: []string{"did you mean blue-store dialogue round-register?"}},
		{name: "unknown flag", args: []string{"list", "--jsno"}, exit: exitUsage, words: []string{"unknown flag: --jsno", "did you mean --json?"}},
		{name: "unknown flag of a subcommand", args: []string{"dialogue", "create", "T", "--questoin", "x"}, exit: exitUsage, words: []string{"did you mean --question?"}},
		{name: "far from any flag", args: []string{"list", "--zzzzzzzzzz"}, exit: exitUsage, words: []string{"see: blue-store list --help"}},
		{name: "unknown help topic", args: []string{"help", "shwo"}, exit: exitUsage, words: []string{"did you mean blue-store show?"}},
		{name: "missing value", args: []string{"dialogue", "create", "T", "--question"}, exit: exitUsage, words: []string{"flag needs an argument: --question"}},
		{name: "missing flags", args: []string{"dialogue", "round-register"}, exit: exitUsage, words: []string{"missing --data, --dialogue-id, --round"}},
		{name: "missing argument", args: []string{"show"}, exit: exitUsage, words: []string{"see: blue-store show --help"}},
		{name: "too many arguments", args: []string{"list", "x"}, exit: exitUsage},
		{name: "no title", args: []string{"dialogue", "create"}, exit: exitUsage, words: []string{"a title is required"}},
		{name: "empty title", args: []string{"dialogue", "create", " "}, exit: exitUsage, words: []string{"the title is empty"}},
		{name: "title without letters", args: []string{"dialogue", "create", "!!!"}, exit: exitUsage, words: []string{"--opaque-id"}},
		{name: "title too long for an id", args: []string{"dialogue", "create", strings.Repeat("x", 513)}, exit: exitUsage, words: []string{"--opaque-id"}},
		{name: "title not UTF-8", args: []string{"dialogue", "create", "a\xff"}, exit: exitUsage, words: []string{"is not UTF-8"}},
		{name: "two titles", args: []string{"dialogue", "create", "One", "--data", `{"title":"Two"}`}, exit: exitUsage, words: []string{"use one of them"}},
		{name: "json and text", args: []string{"list", "--json", "--text"}, exit: exitUsage, words: []string{"exclude each other"}},
		{name: "unknown store", args: []string{"list", "--store", "postgres"}, exit: exitUsage, words: []string{`unknown store`}},
		{name: "store without a path", args: []string{"list", "--store", "sqlite:"}, exit: exitUsage},
		{name: "no store there", args: []string{"verify", "--store", "sqlite:$HOME/nowhere.db"}, exit: exitNotFound, words: []string{"there is no store at ", "nowhere.db"}},
		{name: "unknown dialogue", args: []string{"show", "no-such"}, exit: exitNotFound, words: []string{"no-such"}},
		{name: "unknown entity", args: []string{"show", "error-cases", "T0099"}, exit: exitNotFound, words: []string{"has no T0099"}},
		{name: "lower-case entity", args: []string{"show", "error-cases", "t0001"}, exit: exitNotFound, words: []string{"did you mean T0001?"}},
		{name: "no entity at all", args: []string{"show", "error-cases", "a/b"}, exit: exitUsage, words: []string{"does not name an entity"}},
		{name: "round that is no number", args: []string{"show", "error-cases", "round:x"}, exit: exitUsage, words: []string{"round:N"}},
		{name: "slug with a slash", args: expert("a/b", "Core"), exit: exitUsage, words: []string{"a slug is 1 to 64 bytes"}},
		{name: "slug that is no pastry", args: expert("Bob", "Core"), exit: exitRefused, words: []string{"is not a valid pastry name"}},
		{name: "Pastry without a number", args: expert("Pastry", "Core"), exit: exitRefused, words: []string{"is not a valid pastry name"}},
		{name: "unknown tier", args: expert("Scone", "Guru"), exit: exitRefused, answered: true},
		{name: "tier in lower case", args: expert("Scone", "core"), exit: exitRefused, answered: true},
		{name: "other expert of the name", args: expert("Muffin", "Core"), exit: exitConflict, words: []string{"already has the expert Muffin"}},
		{name: "name in another case", args: append(expert("Scone", "Core"), "--data", `{"expert_slug":"MUFFIN"}`), exit: exitUsage},
		{name: "relevance NaN", args: append(expert("Scone", "Core"), "--relevance", "NaN"), exit: exitUsage},
		{name: "relevance infinite", args: append(expert("Scone", "Core"), "--relevance", "Inf"), exit: exitUsage},
		{name: "relevance too large", args: append(expert("Scone", "Core"), "--relevance", "1e400"), exit: exitUsage},
		{name: "round in the range of no dialogue", args: inRoundFlag("100"), exit: exitRefused, answered: true},
		{name: "round below 0", args: inRoundFlag("-1"), exit: exitRefused, answered: true},
	}
	for _, round := range []string{"1e3", "01 ", "", "x", "1.0", "0x1", "1_0", "9223372036854775808", "２"} {
		rows = append(rows, badInput{name: fmt.Sprintf("round %q", round), args: inRoundFlag(round), exit: exitUsage, words: []string{"a round must be an integer"}})
	}
	for _, id := range []string{
		"", strings.Repeat("x", 513), "a/b", "a#b", "a:b", "..", "a\x00b", "a\nb", "a😀b", "a\u202eb", "A", "ÉTÉ", "a b", "a\xffb", "e\u0301", "a_b",
	} {
		rows = append(rows,
			badInput{name: fmt.Sprintf("show id %.20q", id), args: []string{"show", id}, exit: exitUsage, words: []string{grammar}},
			badInput{name: fmt.Sprintf("register id %.20q", id), args: []string{"dialogue", "round-register", "--dialogue-id", id, "--round", "1", "--data", `{"score":1}`},
				exit: exitUsage, words: []string{grammar}})
	}
	// Decomposed Hangul consists of letters only, so that only normalization
	// detects it.
	const decomposed, composed = "\u1112\u1161\u11ab", "\ud55c"
	rows = append(rows, badInput{name: "id not composed", args: []string{"show", decomposed}, exit: exitUsage, words: []string{"normalization form C", composed}})
	return rows
}

func expert(slug, tier string) []string {
	return []string{"dialogue", "expert-create", "--dialogue-id", "error-cases", "--expert-slug", slug,
		"--role", "Economist", "--tier", tier, "--creation-reason", "Money", "--first-round", "1"}
}

// badJSON contains the rows "JSON" of the list of bad inputs.
func badJSON() []badInput {
	at := func(name, data string, words ...string) badInput {
		return badInput{name: name, args: register("-"), stdin: data, exit: exitUsage, words: words}
	}
	params := func(name, data string, words ...string) badInput {
		return badInput{name: name, args: register("-"), stdin: data, exit: exitRefused, words: words}
	}
	refused := func(name, data string) badInput {
		return badInput{name: name, args: register(data), exit: exitRefused, answered: true}
	}
	deep := `{"score":1,"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`
	wide := `{"score":1,"x":[` + strings.Repeat("1,", 10_000_000) + `1]}`
	return []badInput{
		at("malformed", `{oops`, "at byte 1"),
		at("cut short", `{"score":1`, "at byte 10"),
		at("empty", "", "at byte 0"),
		at("trailing garbage", `{"score":1} x`, "at byte 12", "more text after the value"),
		at("two values", `{"score":1}{}`, "at byte 11"),
		at("byte order mark", "\ufeff{}", "at byte 0", "byte order mark"),
		at("UTF-16", "{\x00\"\x00s\x00", "at byte 1"),
		at("bad UTF-8", "{\"score\":1,\"title\":\"\xff\"}", "at byte 20", "invalid UTF-8"),
		at("lone surrogate", `{"score":1,"title":"\ud800"}`, "at byte 20", "lone surrogate"),
		at("binary", "\x7fELF\x00\x01", "at byte 0"),
		at("duplicate key", `{"score":1,"score":2}`, "at byte 11", "duplicate key"),
		at("keys differing by case", `{"score":1,"Score":2}`, "at byte 11", "differs from another only by case"),
		at("NaN", `{"score":NaN}`, "at byte 9"),
		at("infinite", `{"score":Infinity}`, "at byte 9"),
		at("too large a number", `{"score":1e400}`, "score must be an integer of 64 bits"),
		params("2^63", `{"score":9223372036854775808}`, "score must be an integer of 64 bits"),
		params("fraction", `{"score":1.5}`, "score must be an integer of 64 bits"),
		params("score as text", `{"score":"1"}`, "score must be an integer of 64 bits"),
		params("null for what is due", `{"score":null}`, "score must be an integer of 64 bits"),
		params("no score", `{}`, "score must be an integer of 64 bits"),
		at("list instead of object", `[]`, "must be an object"),
		at("text instead of object", `"x"`, "must be an object"),
		at("10,000 levels", deep, "levels deep"),
		at("over 16 MiB", wide, "longer than 16777216 bytes"),
		{name: "no data", args: register(""), exit: exitUsage, words: []string{"no data"}},
		{name: "no file name", args: register("@"), exit: exitUsage, words: []string{"no data"}},
		{name: "no such file", args: register("@/nowhere/round.json"), exit: exitUsage, words: []string{"/nowhere/round.json cannot be read: no such file"}},
		{name: "a folder", args: register("@/"), exit: exitUsage, words: []string{"cannot be read"}},
		refused("label of the wrong type", `{"score":1,"perspectives":[{"label":5,"content":"C"}]}`),
		refused("null for a required text", `{"score":1,"tensions":[{"label":"L","description":null}]}`),
		refused("everything wrong at once", `{"score":1,"perspectives":[{}],"tensions":[{}],"claims":[{}]}`),
		refused("unknown status", `{"score":1,"tension_updates":[{"id":"T0001","status":"closed"}]}`),
		refused("tension that is not there", `{"score":1,"tension_updates":[{"id":"T0099","status":"resolved"}]}`),
		refused("local id given twice", `{"score":1,"claims":[{"local_id":"x","label":"L","content":"C"},{"local_id":"x","label":"L","content":"C"}]}`),
		refused("data of another dialogue", `{"score":1,"dialogue_id":"other"}`),
		refused("data of another round", `{"score":1,"round":2}`),
		{name: "item beyond 400 KB", args: register("-"), exit: exitUsage, words: []string{"too large"},
			stdin: `{"score":1,"claims":[{"label":"L","content":"` + strings.Repeat("x", 410_000) + `"}]}`},
		{name: "other round of the number", args: []string{"dialogue", "round-register", "--dialogue-id", "error-cases", "--round", "0", "--data", `{"score":1}`},
			exit: exitConflict, words: []string{"already has round 0"}},
		{name: "verdict of unknown type", args: verdict(`"verdict_id":"V01","verdict_type":"ultimate"`), exit: exitRefused, answered: true},
		{name: "verdict id with a slash", args: verdict(`"verdict_id":"a/b","verdict_type":"interim"`), exit: exitUsage, words: []string{"an id is a letter or digit"}},
		{name: "verdict without id", args: verdict(`"verdict_type":"interim"`), exit: exitRefused, words: []string{"verdict_id must be a text"}},
		{name: "closed gate", args: verdict(`"verdict_id":"V01","verdict_type":"final"`), exit: exitRefused, answered: true},
		{name: "title that is null", args: []string{"dialogue", "create", "--data", `{"title":null}`}, exit: exitRefused, words: []string{"title must be a text"}},
		{name: "calibrated that is a text", args: []string{"dialogue", "create", "T", "--data", `{"calibrated":"yes"}`}, exit: exitRefused},
		{name: "dialogue data that are a list", args: []string{"dialogue", "create", "T", "--data", `[]`}, exit: exitUsage, words: []string{"must be a JSON object"}},
	}
}

func verdict(members string) []string {
	return []string{"dialogue", "verdict-register", "--dialogue-id", "error-cases", "--data",
		`{` + members + `,"round":0,"recommendation":"Go","description":"Because."}`}
}

func (b badInput) run(m *machine) outcome {
	args := slices.Clone(b.args)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$HOME", m.home)
	}
	return m.runWith(strings.NewReader(b.stdin), args...)
}

// TestBadInput runs the rows on one store. No row may change it.
func TestBadInput(t *testing.T) {
	m := startingState(t)
	before := m.stored()
	for _, row := range append(badArguments(), badJSON()...) {
		t.Run(row.name, func(t *testing.T) {
			o := row.run(m)
			if o.code != row.exit {
				t.Errorf("exit %d; want %d\n%s%s", o.code, row.exit, o.stderr, o.stdout)
			}
			for _, word := range row.words {
				if !strings.Contains(unquoted(t, o.stderr), word) {
					t.Errorf("standard error lacks %q:\n%s", word, o.stderr)
				}
			}
			if row.answered != strings.Contains(o.stdout, `"status": "error"`) || !row.answered && o.stdout != "" {
				t.Errorf("standard output:\n%s", o.stdout)
			}
			if strings.Contains(o.stderr, "goroutine") || strings.Count(o.stderr, "\n") != 1 {
				t.Errorf("standard error is not one line:\n%s", o.stderr)
			}
			if len(o.stderr) > 2000 {
				t.Errorf("standard error has %d bytes", len(o.stderr))
			}
		})
	}
	if after := m.stored(); after != before {
		t.Errorf("the store changed:\n%s\nbefore:\n%s", after, before)
	}
}

// TestBadInputMakesNoStore runs the same rows in an empty home. A refused
// command must leave no folder and no key. Malformed input is reported before
// the store is opened.
func TestBadInputMakesNoStore(t *testing.T) {
	m := newMachine(t)
	for _, row := range append(badArguments(), badJSON()...) {
		o := row.run(m)
		onlyStored := slices.Contains(row.words, "too large") // only the size of an encrypted item is limited
		if o.code == exitOK || row.exit == exitUsage && o.code != exitUsage && !onlyStored {
			t.Errorf("%s: exit %d without a store; want %d\n%s", row.name, o.code, row.exit, o.stderr)
		}
		if left := m.files(); left != nil {
			t.Fatalf("%s leaves %q", row.name, left)
		}
	}
}

// TestUnendingInput checks that the program stops at the limit of an endless
// input.
func TestUnendingInput(t *testing.T) {
	m := startingState(t)
	o := m.runWith(endless{}, register("-")...)
	if o.code != exitUsage || !strings.Contains(o.stderr, "standard input is longer than 16777216 bytes") {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

var _ io.Reader = endless{}
