package auditor

import (
	"encoding/base64"
	"strings"

	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

// bent returns a note with a changed text and the old signature.
func bent(text, from, to string) string { return strings.Replace(text, from, to, 1) }

var badCheckpoints = []logCase{
	badNote("by a stranger", func(e *editor) {
		e.note(5, e.f.note(signerOf(e.t, 8), checkpoint.Checkpoint{Origin: checkpoint.Origin(e.a.id), Size: 5, Root: e.a.tree.Root()}))
	}),
	badNote("of a rewritten chain by a stranger", func(e *editor) {
		var tree checkpoint.Tree
		tree.Append(make([]byte, 32))
		e.note(3, e.f.note(signerOf(e.t, 8), checkpoint.Checkpoint{Origin: checkpoint.Origin(e.a.id), Size: 3, Root: tree.Root()}))
	}),
	badNote("signature bent", func(e *editor) {
		head, sig, _ := strings.Cut(e.noteOf(1), "\n\n")
		name, text, _ := strings.Cut(strings.TrimPrefix(sig, "— "), " ")
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil {
			e.t.Fatal(err)
		}
		b[20] ^= 1
		e.note(5, head+"\n\n— "+name+" "+base64.StdEncoding.EncodeToString(b)+"\n")
	}),
	badNote("size bent", func(e *editor) { e.note(5, bent(e.noteOf(1), "\n5\n", "\n4\n")) }),
	badNote("leading zero", func(e *editor) { e.note(5, bent(e.noteOf(1), "\n5\n", "\n05\n")) }),
	badNote("line more", func(e *editor) { e.note(5, bent(e.noteOf(1), "\n\n", "\nmore\n\n")) }),
	badNote("of another size", func(e *editor) { e.note(5, e.noteOf(0)) }),
	badNote("of another chain", func(e *editor) {
		e.note(5, e.f.note(e.f.signer, checkpoint.Checkpoint{Origin: checkpoint.Origin(strings.Repeat("0", 32)), Size: 5, Root: e.a.tree.Root()}))
	}),
	badNote("empty", func(e *editor) { e.note(5, "") }),
	badNote("no signature", func(e *editor) {
		head, _, _ := strings.Cut(e.noteOf(1), "\n\n")
		e.note(5, head+"\n\n")
	}),
	badNote("no newline at its end", func(e *editor) { e.note(5, strings.TrimSuffix(e.noteOf(1), "\n")) }),
	badNote("17 signatures", func(e *editor) {
		_, sig, _ := strings.Cut(e.noteOf(1), "\n\n")
		e.note(5, e.noteOf(1)+strings.Repeat(strings.Replace(sig, "blue-audit", "a-witness", 1), 16))
	}),
	badNote("at no place", func(e *editor) {
		r := e.a.notes[1].Clone()
		r.Key.Item = "newest"
		e.put(e.a.notes[1].Key, r)
	}),
	badNote("in the place of a root", func(e *editor) {
		r := e.a.notes[1].Clone()
		r.Key.Item = rootSK
		e.put(e.a.notes[1].Key, r)
	}),
	badNote("beyond the end by a stranger", func(e *editor) {
		text := e.f.note(signerOf(e.t, 8), checkpoint.Checkpoint{Origin: checkpoint.Origin(e.a.id), Size: 9, Root: e.a.tree.Root()})
		e.put(e.a.notes[1].Key, noteRecord(e.a.id, 9, text))
	}),
}

func badNote(name string, edit func(*editor)) logCase {
	return logCase{name: "bad checkpoint " + name, want: string(BadCheckpoint), base: one, edit: edit}
}
