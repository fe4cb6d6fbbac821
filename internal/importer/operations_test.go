package importer

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
)

const createOp = `{"op":"create","data":{"title":"Bread"}}`

func TestReadOperations(t *testing.T) {
	src, err := ReadOperations([]byte(`{"title":"Bread","counts":{"perspectives":2,"experts":1},"unmapped":["a crumb"],"ops":[` + createOp + `,
		{"op":"expert-register","data":{"expert_slug":"Muffin","role":"Baker","tier":"Core","source":"pool","relevance":null,"first_round":0}},
		{"op":"expert-register","data":{"expert_slug":"Cupcake","role":"Eater","tier":"Guru"}},
		{"op":"round-register","round":0,"data":{"score":3,"perspectives":[{"label":"a","content":"b"}],"oven":"hot"}},
		{"op":"round-register","data":{"score":3}},
		{"op":"round-register","round":100,"data":{"score":3}},
		{"op":"signal","round":0,"data":{"expert_name":"Muffin"}},
		{"op":"signal","round":0,"data":{"expert_name":"a b"}},
		{"op":"verdict-register","data":{"verdict_id":"V01","verdict_type":"final","round":0,"recommendation":"r","description":"d"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, op := range src.Ops {
		state := "ok"
		if op.Err != nil {
			state = "refused"
			if op.Expert != nil || op.Round != nil || op.Signal != nil {
				t.Errorf("op %d has an error and a request", op.Index)
			}
			if !errors.Is(op.Err, blue.ErrInvalid) && !errors.Is(op.Err, blue.ErrRefused) {
				t.Errorf("op %d: %v is neither invalid nor refused", op.Index, op.Err)
			}
		}
		got = append(got, op.Kind+" "+state)
	}
	want := []string{"create ok", "expert-register ok", "expert-register refused", "round-register ok", "round-register refused", "round-register refused", "signal ok", "signal refused", "verdict-register ok"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{":0 the file counts 2 perspectives, its operations hold 1"}, notesOf(src, noteContradiction)); diff != "" {
		t.Errorf("contradictions (-want +got):\n%s", diff)
	}
	unplaced := strings.Join(notesOf(src, noteUnplaced), "\n")
	if !strings.Contains(unplaced, "a crumb") || !strings.Contains(unplaced, "ops[3]: unknown field oven was ignored") {
		t.Errorf("unplaced:\n%s", unplaced)
	}
}

func TestReadOperationsRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"empty", "", "line 1, column 1"},
		{"cut off", "{\n \"ops\": [", "line 2, column"},
		{"syntax", "{\n \"ops\": ]}", "line 2, column 9"},
		{"type", "{\n \"ops\": 7}", "line 2, column"},
		{"text behind", "{\"ops\":[" + createOp + "]}\nx", "after the end"},
		{"no operations", `{"ops":[]}`, `ops[0] must be "create"`},
		{"no create first", `{"ops":[{"op":"signal","round":0,"data":{}}]}`, `ops[0] must be "create"`},
		{"unknown", `{"ops":[` + createOp + `,{"op":"erase","data":{}}]}`, `ops[1]: unknown operation "erase"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadOperations([]byte(c.text))
			if !errors.Is(err, blue.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %q", err, c.says)
			}
		})
	}
}

// The digest names the bytes: sha256sum of a one-operation file.
func TestOperationsDigest(t *testing.T) {
	src, err := ReadOperations([]byte(`{"ops":[{"op":"create","data":{"title":"Bread"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := "8c9c2c45797734c9030bf7b2a4b3293d0c5d22b4233f2107946236776e2e5cc9"; src.Digest != want {
		t.Errorf("digest %s, want %s", src.Digest, want)
	}
	if src.Title != "Bread" {
		t.Errorf("title %q, want that of the create operation", src.Title)
	}
}

func FuzzReadOperations(f *testing.F) {
	f.Add([]byte(`{"ops":[` + createOp + `,{"op":"signal","round":0,"data":{"expert_name":"Muffin"}}]}`))
	for _, name := range fixtures.Own() {
		data, err := os.ReadFile(fixtures.Dialogue(f, name, "inputs.json"))
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 13_000 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		src, err := ReadOperations(data)
		if err != nil {
			if !errors.Is(err, blue.ErrInvalid) {
				t.Errorf("error %v is not ErrInvalid", err)
			}
			return
		}
		for i, op := range src.Ops {
			set := 0
			for _, there := range []bool{op.Dialogue != nil, op.Expert != nil, op.Round != nil, op.Signal != nil, op.Verdict != nil, op.Err != nil} {
				if there {
					set++
				}
			}
			if op.Index != i || set != 1 {
				t.Errorf("operation %d has index %d and %d contents", i, op.Index, set)
			}
		}
	})
}
