package campaign

import (
	"bytes"
	"flag"
	"fmt"
	"go/scanner"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/shareddata"
)

var update = flag.Bool("update", false, "rewrite docs/bad-inputs.md")

// badInput is one row of the list of bad inputs. It has tests, each as "file:
// text", or the reason why it has no test. The text occurs once in the file: a
// test function, the name of a case, or a command of a script.
type badInput struct {
	row   string
	tests []string
	later string
}

// badInputs is the list by section, in the order of section 4 of the security text.
var badInputs = []struct {
	section string
	rows    []badInput
}{
	{"CLI", []badInput{
		{"unknown command or flag, missing value", []string{cli + `name: "unknown command"`, cli + `name: "unknown flag",`, cli + "missing value"}, ""},
		{"an id that is empty, too long, or has a forbidden character", []string{cli + `"a😀b"`, cli + "func TestBadInputMakesNoStore("}, ""},
		{"an id that is not composed, two ids that differ by form or case", []string{cli + "id not composed", cli + `"ÉTÉ"`, cli + "other expert of the name"},
			"ids are composed lower case, so two dialogues cannot differ by form or case alone. Two experts can, and conflict"},
		{"round or seq out of range, or not a number", []string{cli + "round in the range of no dialogue", cli + "round below 0", cli + `"9223372036854775808"`, "internal/testing/campaign/rows_unix_test.go: 100-of-a-kind"}, ""},
		{"unknown status, a score that is not a number, 1.0", []string{cli + "unknown status", cli + `at("NaN"`, cli + "too large a number", "wire/parse_test.go: {`{\"score\": 1.0}`, \"ok\", 1}"}, ""},
		{"times without zone, year 10000, two events at the same time", []string{"internal/testing/campaign/clock_test.go: func TestClock("},
			"commands have no time argument. The clock of the store gives the time"},
		{"standard input closed, empty, huge, binary, endless, interrupt", []string{"internal/testing/campaign/rows_unix_test.go: stdin-closed", cli + `at("empty"`, cli + `at("over 16 MiB"`, cli + `at("binary"`,
			cli + "func TestUnendingInput(", "cmd/blue-store/exit_test.go: func TestInterrupted("}, ""},
		{"standard output closed, or on a full disk", []string{"cmd/blue-store/exit_test.go: func TestClosedOutput(", "internal/testing/campaign/surroundings_unix_test.go: func TestFullOutput("}, ""},
		{"erase, reset, audit forget without the explicit flag", []string{"cmd/blue-store/testdata/erase.txt: erase requires the name as confirmation", "cmd/blue-store/testdata/reset.txt: reset requires the name of the database file"}, "the program has no other destructive command, and none that repairs"},
		{"the same write twice", []string{"internal/testing/campaign/kill_unix_test.go: func (d *killed) again(", cli + "other round of the number"}, ""},
	}},
	{"JSON", []badInput{
		{"malformed, trailing text, byte order mark, UTF-16, bad UTF-8, lone surrogate", []string{cli + `at("malformed"`, cli + `at("trailing garbage"`, cli + `at("byte order mark"`,
			cli + `at("UTF-16"`, cli + `at("bad UTF-8"`, cli + `at("lone surrogate"`, "wire/json_test.go: func TestStrictJSONRefuses("}, ""},
		{"duplicate keys, or keys that differ by case", []string{cli + `at("duplicate key"`, cli + `at("keys differing by case"`}, ""},
		{"unknown field, wrong type, null for a required value", []string{"cmd/blue-store/testdata/round.txt: unknown_field", cli + "label of the wrong type", cli + "null for a required text", cli + "everything wrong at once",
			"storetest/unknown.go: unknown items after an update"}, ""},
		{"10,000 levels, a million elements, an item over 400 KB", []string{cli + "10,000 levels", "internal/testing/campaign/rows_unix_test.go: million-and-cut-short", row("internal/testing/campaign/rows_unix_test.go: ", "million-contributors"), cli + "item beyond 400 KB"}, ""},
		{"a reference to a missing entity, to itself, in a cycle", []string{"internal/testing/campaign/rows_unix_test.go: func TestCycles(", "references_test.go: func TestReferenceRulesRecorded(", "view/graph_test.go: two cycles and a bridge"}, ""},
		{"an import interrupted, resumed, run twice, two imports at once", []string{"cmd/blue-store/import_test.go: func TestImportInterrupted(", "internal/importer/run_test.go: func TestRunResumesAfterAnyFault(",
			"internal/importer/run_test.go: func TestRunAndRunAgain(", "internal/importer/run_test.go: func TestRunsAtOnce("}, ""},
	}},
	{"Stored items", []badInput{
		{"payload, nonce or ciphertext missing, of another length or type", []string{tamper + "func envelopeCases(", "cmd/blue-store/tamper_cases_test.go: func attributeCases(", "envelope/keys_test.go: func TestImpossibleLengthsCostNoMemory("}, ""},
		{"key_id of another dialogue, or of a missing version", []string{tamper + `"dek#other#1"`, tamper + `"#01"`, tamper + `"#4294967296"`, "keys/errors_test.go: no such version"}, ""},
		{"item_mac absent or of another length", []string{tamper + "func macCases("}, ""},
		{"aad_hash wrong", []string{tamper + "func attributeCases(", tamper + "func bitCases(", "envelope/vectors_test.go: func TestVectors("}, ""},
		{"meta missing, a root older than the state that the client has seen", []string{tamper + "func deleteCases(", tamper + "the whole dialogue as it was", "cmd/blue-store/testdata/rollback.txt: stderr '\"class\":\"rolled back\""},
			"one partition cannot have two roots, because meta is one key"},
		{"a sort key of an unknown kind", []string{"storetest/unknown.go: \"unknown items\",", tamper + "of an unknown kind"}, ""},
		{"an item by a writer that knows only the RFC", []string{tamper + "by a writer without MACs"}, ""},
		{"one bad item of many", []string{"cmd/blue-store/inspect_test.go: func TestSalvage(", "cmd/blue-store/show_test.go: func TestShowSalvage("}, ""},
		{"pages that loop, are empty, or too small", []string{"dynamo/pages_test.go: func TestPagesThatLoop(", "dynamo/pages_test.go: func TestPagesEmptyOrSmall(", "dynamo/pages_test.go: func TestScanThatLoops(", "dynamo/client_test.go: func TestPages("},
			"only DynamoDB has pages"},
	}},
	{"Keys", []badInput{
		{"a key file of another length, form, kind, mode or owner, or on a network disk", []string{
			"keys/localfile/file_test.go: func TestContent(", "keys/localfile/file_test.go: func TestDirectory(", local + "func TestPipe(", local + "func TestDevice(",
			local + "func TestSymlink(", local + "func TestMode(", local + "func TestForeignOwner(", local + "func TestUnreadable(", "keys/localfile/file_test.go: func TestNetworkDisk(",
			keyFile + "func TestBadKeyFile(", row(keyFile, "empty"), row(keyFile, "31 bytes"), row(keyFile, "33 bytes with a newline"), row(keyFile, "64 hexadecimal characters"), row(keyFile, "44 base64 characters"),
			row(keyFile, "all zero"), row(keyFile, "a directory"), row(keyFile, "a named pipe"), row(keyFile, "a device"), row(keyFile, "a link to the key"), row(keyFile, "a link to a device"), row(keyFile, "mode 0644"),
			row(keyFile, "another owner"), keyFile + "func TestUnreadableKeyFile(", "cmd/blue-store/testdata/doctor.txt: stdout '^ok  fixed      .*umk.key: 0644 is now 0600$'",
			"cmd/blue-store/testdata/reset.txt: nothing was removed, because the key file can be a valid key"},
			"exit 6, without a write. The message names the reason: empty, another length, a trailing newline, hexadecimal or base64 text, zeros, a folder, a pipe, a device, a link, a mode that others can read, another owner, no permission, or a network file system. " +
				"The last one is tested only in keys/localfile, with a probe, because no test can mount such a disk. Only doctor --fix changes a mode"},
		{"another valid key in its place", []string{row(keyFile, "another key"), "cmd/blue-store/testdata/reset.txt: wrapped by umk:[0-9a-f]+, you have umk:e1a2fa0236a99da8", "cmd/blue-store/testdata/reset.txt: ttyout 'wrapped by umk:",
			"cmd/blue-store/testdata/tamper.txt: stderr 'wrapped by umk:'", "keys/errors_test.go: name: \"another master key\",", "cmd/blue-store/reset_lost_test.go: func TestRemains("},
			"exit 6 with both fingerprints, and not damage. The prompt to reset appears only on a terminal, and only if the existing key opens no dialogue"},
		{"key file missing, store not empty", []string{row(keyFile, "missing"), "keys/localfile/localfile_test.go: func TestNeverCreates(", "internal/testing/campaign/keyfile_test.go: func TestKeyLost(", "keys/store_test.go: func TestLostKeyFile("},
			"exit 6, with class missing in the log. The message names the fingerprint and the path. No new key is made"},
		{"key file missing, store empty, 50 processes at once", []string{"internal/testing/campaign/start_unix_test.go: func TestStart(", "keys/localfile/process_unix_test.go: func TestFiftyProcesses("}, ""},
		{"a wrapped key altered, swapped or old", []string{"keys/errors_test.go: func TestBitFlips(", "keys/errors_test.go: from another user, relabelled", "keys/errors_test.go: from another dialogue",
			"keys/errors_test.go: from another version, relabelled", "cmd/blue-store/tamper_more_test.go: func TestTamperedKeys(", "keys/awskms/record_test.go: func TestDamagedRecord(", "keys/awskms/record_test.go: \"the key of bob\"",
			"keys/awskms/record_test.go: \"a bit of the tag\"", kms + `{kmsfault.InvalidCiphertext, []string{"does not open it under this encryption context"`},
			"exit 7, with one exception. A user's own key under KMS with damaged or exchanged wrapped bytes is exit 6. KMS gives the same answer for a wrong context, for example a mistyped BLUE_USER, which is not damage. The message names both causes. " +
				"A granted key that KMS does not open is exit 7, because its context contains no typed value"},
		{"a key service that denies, fails or answers wrongly", []string{kms + "func TestKMSFails(", kms + `{kmsfault.Denied, []string{"access denied"`, kms + `{kmsfault.Disabled, []string{"the key is disabled"`,
			kms + `{kmsfault.PendingDeletion, []string{"the key is pending deletion"`, kms + `{kmsfault.WrongRegion, []string{"there is no such key in this region and account"`, kms + `{kmsfault.Throttled, []string{"KMS is throttling"`,
			kms + `{kmsfault.Short, []string{"the key has 31 bytes instead of 32"`, kms + `"the key was made for the tables"`, kms + "func slowKMS(", "keys/awskms/faults_test.go: func TestSlow(", "keys/awskms/faults_test.go: func TestRefusals(",
			"cmd/blue-store/testdata/config.txt: stderr 'this is not the ARN of a key: it is an alias'", "cmd/blue-store/testdata/config.txt: it is not an ARN: the region and the account are missing", "keys/awskms/connect_test.go: func TestARN(", row(around, "kms-key")},
			"exit 6 for each. TestKMSFails checks the program. config.txt checks a BLUE_KMS_KEY_ARN that is not the ARN of a key (an alias, an id, another form). Its exit code is 6 and not 2, because no key is available. keys/awskms has every other answer, by its reason. " +
				"A key file never replaces KMS, even if one exists. Only throttling, faults and missing answers are retried: three times within 15 s"},
		{"an erased dialogue opened, written, restored", []string{"keys/errors_test.go: name: \"erased\"", erased + "exits 9 inspect which-cache", erased + "exits 9 graph which-cache", erased + "exits 9 cite which-cache", erased + "exits 9 dialogue create",
			erased + "exits 9 dialogue expert-create", erased + "exits 9 dialogue verdict-register", erased + "exits 9 keys grant", erased + "after a restore of older data, run this first: blue-store erase replay", erased + "stdout '^erased again: which-cache$'",
			erased + "stdout '^imported: Which cache"},
			"exit 9. An import of its source makes another dialogue, because the id is never used again. After a restore of older data it stays exit 9, and the hint is blue-store erase replay"},
	}},
	{"Environment", []badInput{
		{"an endpoint that is plain http to another host, holds a password, is empty, a file, with a slash at its end, IPv6", []string{
			row(places, "plain http to another host"), places + `"a user and a password"`, places + `"a user"`, places + "func TestEmptyEndpoint(", places + `"a file"`, places + `"one trailing slash"`, places + `"two trailing slashes"`,
			places + `"IPv6 of this machine"`, places + `"IPv6 of another host"`, places + "func TestInsecureEndpointIsTold(", "internal/awsclient/endpoint_test.go: func TestFindRefuses("},
			"exit 2, with three exceptions. One slash at the end names the same endpoint. An IPv6 loopback address leads only to this machine. An empty variable counts as unset, as in the AWS SDK, but an empty --endpoint is refused. " +
				"--insecure-endpoint allows only plain http to another host"},
		{"AWS credentials missing, expired, of another account, no region, tables of another shape", []string{
			clouds + "credentials missing", clouds + "credentials expired", clouds + "half of the credentials", clouds + `"no region"`, clouds + `"an account"`, clouds + "wrong key schema", row(clouds, "index missing"),
			clouds + "func TestDynamoDBOfAnotherShape(", "dynamo/tables/tables_test.go: func TestAnotherShape(", "dynamo/shape_test.go: func TestEmptyIndexOfAnotherShape("},
			"in another account the tables are missing or of another shape, or they are another store with its own freshness records"},
		{"HOME unset, read-only, full, hostile temporary folder, umask 000", []string{
			around + `"no-home"`, around + `"home-read-only"`, around + `"home-is-a-file"`, around + "func TestDiskFull(", around + `"tmpdir-missing"`, around + `"tmpdir-a-file"`, around + `"umask-000"`}, ""},
		{"clock back, forward, stepping", []string{"internal/testing/campaign/clock_test.go: func TestClock("}, ""},
		{"only FIPS 140-3, little memory, few files, no entropy", []string{around + `"fips-only"`, around + `"little-memory"`, around + `"16-files"`},
			"without entropy, crypto/rand waits and never returns fewer bytes"},
		{"an unavailable key provider, a switch against encryption", []string{around + `"kms-key"`, around + `"plain-store"`}, "such a switch does not exist"},
	}},
	{"Files", []badInput{
		{"database truncated, garbage, another program's, newer, read-only, locked, without its log, on a full disk, behind a link", []string{
			row(database, "truncated"), row(database, "garbage"), row(database, "others"), row(database, "newer"), around + "func TestReadOnlyFiles(", around + "func TestLocked(", row(database, "log-orphaned"), database + `"log-lost"`,
			around + "func TestDiskFull(", database + `"link-to-another-store"`, database + "func TestCreateOverFault("}, ""},
		{"freshness record missing, corrupt, ahead of the store, from another store", []string{database + `"freshness-records-lost"`, database + `"freshness-record-garbage"`, "internal/testing/campaign/rows_unix_test.go: func TestFreshness("}, ""},
		{"audit spool torn in its last record", nil, "this version has no spool. An event is in the commit, or the operation fails"},
		{"checkpoints of unknown or no signers, malformed", []string{
			marks + `"by a stranger"`, marks + `"no signature"`, marks + `"signature bent"`, marks + `"17 signatures"`, marks + `"line more"`, marks + `"no newline at its end"`, marks + `"of another chain"`, "audit/checkpoint/vectors_test.go: func TestVectorCheckpoints("}, ""},
		{"erasure certificate edited, for another table, final too early", []string{erased + "stderr 'erasure certificate: .*invalid signature'", erased + "its event is not in the log of this store", erased + "it stays pending: ",
			"cmd/blue-store/erase_test.go: func TestCertificateRefused(", "cmd/blue-store/erase_test.go: edited, with the key", "cmd/blue-store/erase_test.go: \"final before its date\"", "cmd/blue-store/erase_test.go: final, with a date to come",
			"erasure/erasure_test.go: func TestEdited(", "erasure/erasure_test.go: func TestAnotherStore("},
			"erase verify is exit 7 with the reason, also if the same key signs for both stores, or signed a false statement. erase finalize before the date is exit 4"},
		{"two versions of the program at once", []string{database + `"newer-keys"`, "sqlite/open_test.go: func TestForeignFiles("}, ""},
	}},
}

const (
	cli      = "cmd/blue-store/bad_input_test.go: "
	tamper   = "cmd/blue-store/tamper_cases_test.go: "
	local    = "keys/localfile/file_unix_test.go: "
	keyFile  = "cmd/blue-store/key_file_unix_test.go: "
	database = "internal/testing/campaign/files_unix_test.go: "
	places   = "cmd/blue-store/endpoint_test.go: "
	clouds   = "cmd/blue-store/dynamo_test.go: "
	around   = "internal/testing/campaign/surroundings_unix_test.go: "
	marks    = "audit/auditor/corpus_checkpoints_test.go: "
	kms      = "cmd/blue-store/kms_test.go: "
	erased   = "cmd/blue-store/testdata/erase.txt: "
)

// row returns the test of a table that begins with its name.
func row(file, name string) string { return file + `{"` + name + `"` }

// TestBadInputList checks that every named test exists, that every row of the
// security text has a row here, and that docs/bad-inputs.md is the rendered
// list.
func TestBadInputList(t *testing.T) {
	for _, s := range badInputs {
		for _, b := range s.rows {
			if len(b.tests) == 0 && b.later == "" {
				t.Errorf("%s, %s: neither a test nor a reason", s.section, b.row)
			}
			for _, test := range b.tests {
				if err := testThere(test); err != nil {
					t.Errorf("%s, %s: %v", s.section, b.row, err)
				}
			}
		}
	}
	path := filepath.Join(campaigntest.Root, "docs", "bad-inputs.md")
	want := badInputText()
	if *update {
		check(t, os.WriteFile(path, want, 0o644))
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/bad-inputs.md differs from the list (%v); write it with go test ./internal/testing/campaign -run TestBadInputList -update", err)
	}
}

// TestBadInputSections checks that no row leaves the list.
func TestBadInputSections(t *testing.T) {
	got := map[string]int{}
	for _, s := range badInputs {
		got[s.section] = len(s.rows)
	}
	if want := map[string]int{"CLI": 10, "JSON": 6, "Stored items": 9, "Keys": 7, "Environment": 6, "Files": 6}; !maps.Equal(got, want) {
		t.Errorf("rows of each section: %v, want %v", got, want)
	}
}

// TestBadInputRows compares the number of rows with the security text.
func TestBadInputRows(t *testing.T) {
	text, err := os.ReadFile(shareddata.Path(t, "security.md"))
	check(t, err)
	_, text, found := bytes.Cut(text, []byte("\n## 4. "))
	if !found {
		t.Fatal("the security text has no section 4")
	}
	rows, section := map[string]int{}, ""
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| input |") {
			continue
		}
		if rest, bold := strings.CutPrefix(line, "| **"); bold {
			section, _, _ = strings.Cut(rest, "**")
		}
		rows[section]++
	}
	for _, s := range badInputs {
		if rows[s.section] != len(s.rows) || len(s.rows) == 0 {
			t.Errorf("%s has %d rows here and %d in the security text", s.section, len(s.rows), rows[s.section])
		}
		delete(rows, s.section)
	}
	for section, n := range rows {
		t.Errorf("%s has %d rows in the security text and none here", section, n)
	}
}

// testThere looks for "file: text". The text must occur once outside comments:
// in a command of a script, or in Go in a string that names a case, or in the
// declaration of a function.
func testThere(test string) error {
	file, text, ok := strings.Cut(test, ": ")
	if !ok {
		return fmt.Errorf("%q is not file: text", test)
	}
	source, err := os.ReadFile(filepath.Join(campaigntest.Root, filepath.FromSlash(file)))
	if err != nil {
		return err
	}
	return anchored(file, source, text)
}

func anchored(file string, source []byte, text string) error {
	spans := scriptLines(source)
	if strings.HasSuffix(file, ".go") {
		spans = goNames(source)
	}
	found := 0
	for at := 0; ; at++ {
		next := bytes.Index(source[at:], []byte(text))
		if next < 0 {
			break
		}
		at += next
		if slices.ContainsFunc(spans, func(s span) bool { return at < s.end && at+len(text) > s.start }) {
			found++
		}
	}
	if found != 1 {
		return fmt.Errorf("%s contains %q %d times as the name of a test; want once", file, text, found)
	}
	return nil
}

// span is a part of a file, in bytes.
type span struct{ start, end int }

// scriptLines returns the commands of a script, and the files in it.
func scriptLines(source []byte) []span {
	var spans []span
	at := 0
	for line := range bytes.Lines(source) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) {
			spans = append(spans, span{at, at + len(line)})
		}
		at += len(line)
	}
	return spans
}

// goNames returns the string literals of a Go file and the names of its
// functions.
func goNames(source []byte) []span {
	var spans []span
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(source))
	s.Init(file, source, nil, 0)
	inHead := false
	for {
		pos, tok, lit := s.Scan()
		at := file.Offset(pos)
		switch {
		case tok == token.EOF:
			return spans
		case tok == token.STRING, tok == token.IDENT && inHead:
			spans = append(spans, span{at, at + len(lit)})
		}
		if tok == token.FUNC {
			inHead = true
		} else if tok == token.LBRACE {
			inHead = false
		}
	}
}

// TestBadInputListPlanted shows that the list notices a missing test, a test in
// a comment, and a test that occurs twice.
func TestBadInputListPlanted(t *testing.T) {
	for _, test := range []string{"nowhere_test.go: func TestX(", cli + "func TestNever" + "Written(", "no file"} {
		if testThere(test) == nil {
			t.Errorf("%q was found", test)
		}
	}
	const (
		program = "package x\n\n// func TestGone( had \"a case\".\nfunc TestX(t *T) { run(\"one case\", other) /* \"case three\" */; run(`one case more`); run(two) }\n"
		script  = "# a line with why\nexits 0 show x\nstderr 'why'\n  # exits 9\nexits 0 show y\n"
	)
	for _, c := range []struct {
		file, source, text string
		want               bool
	}{
		{"x_test.go", program, "func TestX(", true},
		{"x_test.go", program, `"one case"`, true},
		{"x_test.go", program, `run("one case"`, true},
		{"x_test.go", program, "one case", false}, // twice
		{"x_test.go", program, "func TestGone(", false},
		{"x_test.go", program, "a case", false},
		{"x_test.go", program, "case three", false},
		{"x_test.go", program, "two", false}, // neither a string nor the declaration of a function
		{"x.txt", script, "stderr 'why'", true},
		{"x.txt", script, "show y", true},
		{"x.txt", script, "a line with", false},
		{"x.txt", script, "exits 9", false},
		{"x.txt", script, "exits 0", false}, // twice
	} {
		if err := anchored(c.file, []byte(c.source), c.text); (err == nil) != c.want {
			t.Errorf("%s, %q: %v; want found %v", c.file, c.text, err, c.want)
		}
	}
}

// badInputText renders docs/bad-inputs.md.
func badInputText() []byte {
	var b bytes.Buffer
	b.WriteString("# Bad inputs and their tests\n\n" +
		"This list names inputs that must not damage the store, and their tests. The file is written by\n" +
		"`go test ./internal/testing/campaign -run TestBadInputList -update` from the list in\n" +
		"`internal/testing/campaign/badinput_test.go`. The test fails if a named test does not exist.\n" +
		"[cli.md](cli.md#exit-codes) lists the exit codes.\n")
	tested, all := 0, 0
	for _, s := range badInputs {
		fmt.Fprintf(&b, "\n## %s\n\n| input | tests | remark |\n|---|---|---|\n", s.section)
		for _, r := range s.rows {
			all++
			if len(r.tests) > 0 {
				tested++
			}
			var tests []string
			for _, test := range r.tests {
				file, text, _ := strings.Cut(test, ": ")
				tests = append(tests, "`"+file+"`: "+caseName(text))
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.row, strings.Join(tests, "<br>"), r.later)
		}
	}
	fmt.Fprintf(&b, "\n%d rows, %d of them with tests.\n", all, tested)
	return b.Bytes()
}

// caseName returns the text of a test in readable form.
func caseName(text string) string {
	for _, before := range []string{"func ", `at("`, "name: ", "stdout ", "stderr ", "ttyout ", "{"} {
		text = strings.TrimPrefix(text, before)
	}
	text = strings.TrimRight(text, `,(`)
	text = strings.Trim(text, `"'^$`)
	return strings.NewReplacer("|", `\|`, "`", "", `, []string{"`, ": ").Replace(text)
}
