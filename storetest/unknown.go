package storetest

import (
	"encoding/json"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// later changes one item as a later version of the program would. It updates the
// meta item in the same commit.
func (w *env) later(sk string, change func(record.Attrs)) {
	w.Helper()
	below := w.below()
	all, err := below.Query(w.Context(), record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(dialogue)), ForUpdate: true})
	w.ok(err)
	item := record.Record{Key: record.DialogueKey(string(dialogue), sk), Attrs: record.Attrs{}}
	var meta record.Record
	var prev record.Attrs
	for _, r := range all {
		switch r.Key.Item {
		case sk:
			item, prev = r.Clone(), r.Attrs
		case record.Meta:
			meta = r
		}
	}
	change(item.Attrs)
	writes := []record.Write{{Table: record.Dialogues, Record: item, Prev: prev}}
	if sk != record.Meta {
		touched := meta.Clone()
		touched.Attrs["updated_at"] = record.S(w.clock.now().Format("2006-01-02T15:04:05.000000000Z"))
		writes = append(writes, record.Write{Table: record.Dialogues, Record: touched, Prev: meta.Attrs})
	}
	w.ok(below.Commit(w.Context(), writes))
}

// stored returns an item as the record store below the engine has it: attributes
// and payload.
func (w *env) stored(sk string) (record.Attrs, map[string]json.RawMessage) {
	w.Helper()
	all, err := w.below().Query(w.Context(), record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(dialogue))})
	w.ok(err)
	for _, r := range all {
		if r.Key.Item == sk {
			var members map[string]json.RawMessage
			w.ok(json.Unmarshal(r.Attrs["content"].Bin(), &members))
			return r.Attrs, members
		}
	}
	w.Fatalf("no item %s", sk)
	return nil, nil
}

// unknownCases check that this version keeps the data of a later version.
func unknownCases() []Case {
	addMember := func(a record.Attrs) {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(a["content"].Bin(), &members); err != nil {
			panic("storetest: " + err.Error())
		}
		members["mood"] = json.RawMessage(`{"calm":[1,null]}`)
		text, _ := json.Marshal(members)
		a["content"] = record.B(text)
	}
	var cases []Case
	for _, c := range []struct {
		name, sk string
		update   func(*env)
	}{
		{"Amend/dialogue", record.Meta, func(w *env) { w.ok(perMethod()[7].do(w.Context(), w.store, dialogue)) }},
		{"RegisterRound/expert", "expert#muffin", func(w *env) { w.round(batch(1)) }},
		{"RecordSignal/round", "round#00", func(w *env) {
			_, err := w.store.RecordSignal(w.Context(), dialogue, blue.Signal{Expert: "Scone"})
			w.ok(err)
		}},
		{"Transition/perspective", "perspective#00#01", func(w *env) { w.transition(blue.Transition{ID: id("P0001"), To: "merged"}) }},
		{"Transition/tension", "tension#00#01", func(w *env) { w.transition(blue.Transition{ID: id("T0001"), To: "addressed"}) }},
		{"RegisterVerdict/recommendation", "recommendation#00#01", func(w *env) {
			w.verdict(blue.NewVerdict{ID: "v", Type: "interim", RecommendationsAdopted: []string{"R0001"}})
		}},
	} {
		cases = append(cases,
			on(c.name+"/an unknown payload member survives an update", func(w *env) {
				w.seed()
				w.later(c.sk, addMember)
				before, _ := w.stored(c.sk)
				c.update(w)
				after, members := w.stored(c.sk)
				w.same("the item changed", before["updated_at"].Equal(after["updated_at"]), false)
				w.same("the member", string(members["mood"]), `{"calm":[1,null]}`)
				w.load()
			}),
			on(c.name+"/an unknown clear attribute survives an update", func(w *env) {
				w.seed()
				w.later(c.sk, func(a record.Attrs) { a["weather"] = record.N(-7); a["flag"] = record.T(true) })
				c.update(w)
				after, _ := w.stored(c.sk)
				w.same("the attributes", []any{after["weather"].Int(), after["flag"].True()}, []any{int64(-7), true})
				w.load()
			}))
	}
	return append(cases,
		on("Load/dialogue/items of an unknown kind are listed and kept", func(w *env) {
			w.seed()
			for _, sk := range []string{"recipe#01", "metaphor#x#y"} {
				w.later(sk, func(a record.Attrs) {
					a["entity_type"] = record.S("recipe")
					a["content"] = record.B([]byte(`{"flour":1}`))
				})
			}
			w.same("unknown items", w.load().Unknown, []string{"metaphor#x#y", "recipe#01"})
			w.round(batch(1))
			w.same("unknown items after an update", w.load().Unknown, []string{"metaphor#x#y", "recipe#01"})
			_, members := w.stored("recipe#01")
			w.same("the payload", string(members["flour"]), "1")
		}),
		on("Load/dialogue/an item of a known kind under a broken key", func(w *env) {
			w.seed()
			w.later("tension#0#1", func(a record.Attrs) { a["content"] = record.B([]byte(`{}`)) })
			_, err := w.store.Load(w.Context(), dialogue)
			w.fails(err, blue.ErrTampered)
		}),
		on("Load/dialogue/a payload member of another type", func(w *env) {
			w.seed()
			w.later("tension#00#01", func(a record.Attrs) { a["content"] = record.B([]byte(`{"label":7}`)) })
			_, err := w.store.Load(w.Context(), dialogue)
			w.fails(err, blue.ErrTampered)
		}))
}
