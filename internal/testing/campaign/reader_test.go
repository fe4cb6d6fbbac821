package campaign

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
	"github.com/superviber/blue-encrypted-store/record"
)

// readerFigures are the figures of the RFC-only reader.
type readerFigures struct {
	Dialogues int            `json:"dialogues"`
	Items     int            `json:"items"`
	Opened    int            `json:"items_with_a_payload_opened"`
	Equal     int            `json:"payloads_equal_to_what_go_opened"`
	Kinds     map[string]int `json:"items_by_kind"`
	Lines     int            `json:"lines_of_the_reader"`
}

// TestReader writes the dialogues of a set. A reader written from the RFC alone
// opens every item, with data keys that the test derives.
func TestReader(t *testing.T) {
	python := testrule.Python(t, "cryptography")
	for _, set := range sourceSets {
		t.Run(set.name, func(t *testing.T) { readAll(t, set, python) })
	}
}

func readAll(t *testing.T, set sourceSet, python string) {
	home := filepath.Join(t.TempDir(), "home")
	o := openStore(t, home, nil)
	f := readerFigures{Kinds: map[string]int{}, Lines: readerLines(t)}
	var items []map[string]any
	var want []string
	deks := map[string]string{}
	for _, s := range importAll(t, o.store, set.sources(t)) {
		f.Dialogues++
		for _, r := range o.partition(t, s.Dialogue.ID) {
			items = append(items, dynamoJSON(r))
			kind, _, _ := strings.Cut(r.Key.Item, "#")
			f.Kinds[kind]++
			payload := o.payload(t, s.Dialogue.ID, r)
			if payload == nil {
				payload = []byte("null")
			} else {
				f.Opened++
			}
			want = append(want, compact(t, payload))
			keyID := r.Attrs["key_id"].Str()
			if deks[keyID] != "" {
				continue
			}
			_, version, err := envelope.ParseKeyID(keyID)
			if err != nil {
				t.Fatal(err)
			}
			dek, err := o.dek(t.Context(), s.Dialogue.ID, version)
			if err != nil {
				t.Fatal(err)
			}
			deks[keyID] = hex.EncodeToString(dek)
		}
	}
	f.Items = len(items)
	got := readWith(t, python, items, deks)
	if len(got) != len(want) {
		t.Fatalf("the reader gave %d items of %d", len(got), len(want))
	}
	for i, line := range got {
		if sk := items[i]["SK"].(map[string]any)["S"]; line.SK != sk || compact(t, line.Payload) != want[i] {
			t.Errorf("%s: the reader and Go return different fields", sk)
			continue
		}
		f.Equal++
	}
	if f.Opened < 500 || f.Equal != f.Items {
		t.Errorf("%+v", f)
	}
	set.report(t, "rfc-reader", f)
	plantedReader(t, python, items, deks)
}

type readerLine struct {
	SK      string          `json:"SK"`
	Payload json.RawMessage `json:"payload"`
}

// runReader runs scripts/read_item.py.
func runReader(t testing.TB, python string, items []map[string]any, deks map[string]string) ([]byte, []byte, error) {
	t.Helper()
	keys := filepath.Join(t.TempDir(), "deks.json")
	text, err := json.Marshal(deks)
	if err == nil {
		err = os.WriteFile(keys, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(items)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(python, filepath.Join(campaigntest.Root, "scripts", "read_item.py"), keys)
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(in), &stdout, &stderr
	err = c.Run()
	return stdout.Bytes(), stderr.Bytes(), err
}

func readWith(t testing.TB, python string, items []map[string]any, deks map[string]string) []readerLine {
	t.Helper()
	stdout, stderr, err := runReader(t, python, items, deks)
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	var lines []readerLine
	for d := json.NewDecoder(bytes.NewReader(stdout)); d.More(); {
		var line readerLine
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

// plantedReader shows that the reader refuses an item under another key and an
// item that was moved.
func plantedReader(t *testing.T, python string, items []map[string]any, deks map[string]string) {
	other := maps.Clone(deks)
	for id := range other {
		other[id] = strings.Repeat("00", 32)
	}
	moved := maps.Clone(items[1])
	moved["SK"] = map[string]any{"S": items[1]["SK"].(map[string]any)["S"].(string) + "0"}
	for name, run := range map[string]struct {
		items []map[string]any
		deks  map[string]string
	}{"another key": {items[:1], other}, "another place": {[]map[string]any{moved}, deks}} {
		if out, _, err := runReader(t, python, run.items, run.deks); err == nil {
			t.Errorf("with %s the reader opened %s", name, out)
		}
	}
}

// readerLines counts the lines of the reader and looks for anything that it
// cannot know from the RFC.
func readerLines(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(campaigntest.Root, "scripts", "read_item.py"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"item_mac", "root", "hkdf", "hmac", "padme", "wrap", "umk", "kek"} {
		if strings.Contains(strings.ToLower(string(text)), word) {
			t.Errorf("the reader knows %s", word)
		}
	}
	lines := strings.Count(string(text), "\n")
	if lines > 60 {
		t.Errorf("the reader has %d lines", lines)
	}
	return lines
}

// dynamoJSON returns a record in the JSON form of DynamoDB.
func dynamoJSON(r record.Record) map[string]any {
	item := map[string]any{"PK": map[string]any{"S": r.Key.Partition}, "SK": map[string]any{"S": r.Key.Item}}
	for name, v := range r.Attrs {
		switch v.Type() {
		case record.Bytes:
			item[name] = map[string]any{"B": base64.StdEncoding.EncodeToString(v.Bin())}
		case record.Number:
			item[name] = map[string]any{"N": strconv.FormatInt(v.Int(), 10)}
		case record.Bool:
			item[name] = map[string]any{"BOOL": v.True()}
		default:
			item[name] = map[string]any{"S": v.Str()}
		}
	}
	return item
}
