package storetest

import (
	"encoding/json"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

func createCases() []Case {
	return []Case{
		on("Create/dialogue/begins open and empty", func(w *env) {
			got := w.create(newDialogue())
			at := w.clock.now()
			want := blue.Dialogue{ID: dialogue, Status: blue.StatusOpen, CreatedAt: at, UpdatedAt: at, Title: "How large is a muffin?"}
			w.same("the answer", got, want)
			s := w.load()
			w.same("the dialogue", s.Dialogue, want)
			s.Version = 0
			w.same("the snapshot", s, &blue.Snapshot{Dialogue: want})
		}),
		on("Create/dialogue/id taken", func(w *env) {
			w.create(newDialogue())
			w.refuses(blue.ErrConflict, func() error {
				_, err := w.store.Create(w.Context(), dialogue, blue.NewDialogue{Title: "Another"})
				return err
			})
		}),
		on("Create/dialogue/same request twice", func(w *env) {
			w.create(newDialogue())
			w.refuses(blue.ErrConflict, func() error { return createCall.do(w.Context(), w.store, dialogue) })
		}),
		on("Create/dialogue/id taken by another process", func(w *env) {
			other := w.again()
			w.create(newDialogue())
			w.refuses(blue.ErrConflict, func() error { return createCall.do(w.Context(), other, dialogue) })
		}),
		on("Create/dialogue/id of 512 bytes of Unicode", func(w *env) {
			var long blue.DialogueID
			for len(long)+len("ß") <= 512 {
				long += "ß"
			}
			_, err := w.store.Create(w.Context(), long, newDialogue())
			w.ok(err)
			s, err := w.store.Load(w.Context(), long)
			w.ok(err)
			w.same("the id", s.Dialogue.ID, long)
		}),
		on("Create/dialogue/two ids are two dialogues", func(w *env) {
			w.create(newDialogue())
			_, err := w.store.Create(w.Context(), "other", blue.NewDialogue{Title: "Other"})
			w.ok(err)
			w.expert(newExpert("Muffin"))
			s, err := w.store.Load(w.Context(), "other")
			w.ok(err)
			w.same("experts of the other", len(s.Experts), 0)
			w.same("its title", s.Dialogue.Title, "Other")
		}),
		on("Load/dialogue/another process sees acknowledged writes", func(w *env) {
			w.seed()
			s, err := w.again().Load(w.Context(), dialogue)
			w.ok(err)
			w.same("the snapshot of another process", s, w.load())
		}),
		on("Load/dialogue/twice the same", func(w *env) {
			w.seed()
			w.same("the second load", w.load(), w.load())
		}),
		on("Load/dialogue/a caller's changes do not reach the store", func(w *env) {
			w.seed()
			s := w.load()
			s.Numbered(blue.KindPerspective)[0].SetText("changed")
			s.Numbered(blue.KindPerspective)[0].Common().Contributors = append(s.Numbered(blue.KindPerspective)[0].Common().Contributors, "Eclair")
			s.Experts[0].Scores[0] = 99
			w.same("the content loaded again", w.load().Numbered(blue.KindPerspective)[0].Text(), "about perspective")
			w.same("the score loaded again", w.load().Experts[0].Scores[0], int64(4))
		}),
	}
}

func amendCases() []Case {
	amended := func(w *env, a blue.Amendment) blue.Dialogue {
		w.Helper()
		answer, err := w.store.Amend(w.Context(), dialogue, a)
		return must(w, answer, err)
	}
	text, yes := "domain-7", true
	cases := []Case{
		on("Amend/dialogue/every field", func(w *env) {
			w.create(newDialogue())
			w.clock.step(time.Minute)
			status := blue.Status("abandoned")
			got := amended(w, blue.Amendment{Status: &status, Calibrated: &yes, DomainID: &text, EthosID: &text,
				Background: &blue.Background{Subject: "muffins"}})
			want := w.load().Dialogue
			w.same("the answer and the stored dialogue", got, want)
			w.same("updated_at", want.UpdatedAt, w.clock.now())
			w.same("fields", []any{want.Status, want.Calibrated, want.DomainID, want.EthosID, want.Background.Subject},
				[]any{status, true, text, text, "muffins"})
		}),
		on("Amend/dialogue/nothing named changes nothing", func(w *env) {
			w.create(newDialogue())
			before := w.dump()
			amended(w, blue.Amendment{})
			w.same("the stored records", w.dump(), before)
		}),
		on("Amend/dialogue/a repeat changes nothing", func(w *env) {
			w.create(newDialogue())
			amended(w, blue.Amendment{EthosID: &text})
			before := w.dump()
			amended(w, blue.Amendment{EthosID: &text})
			w.same("the stored records", w.dump(), before)
		}),
		on("Amend/dialogue/a text is removed", func(w *env) {
			w.create(blue.NewDialogue{Title: "T", DomainID: "d"})
			none := ""
			amended(w, blue.Amendment{DomainID: &none})
			w.same("the domain", w.load().Dialogue.DomainID, "")
		}),
		on("Amend/dialogue/unknown status", func(w *env) {
			w.create(newDialogue())
			status := blue.Status("paused")
			w.refuses(blue.ErrRefused, func() error {
				_, err := w.store.Amend(w.Context(), dialogue, blue.Amendment{Status: &status})
				return err
			})
		}),
		on("Amend/dialogue/broken constraints", func(w *env) {
			w.create(newDialogue())
			w.refuses(blue.ErrInvalid, func() error {
				_, err := w.store.Amend(w.Context(), dialogue, blue.Amendment{Background: &blue.Background{Constraints: json.RawMessage(`{`)}})
				return err
			})
		}),
	}
	for _, status := range blue.KindDialogue.Statuses() {
		cases = append(cases, on("Amend/dialogue/to "+string(status), func(w *env) {
			w.create(newDialogue())
			amended(w, blue.Amendment{Status: &status})
			w.same("the status", w.load().Dialogue.Status, status)
		}))
	}
	return cases
}

func listCases() []Case {
	ids := func(w *env) []blue.DialogueID {
		w.Helper()
		rows, err := w.store.List(w.Context())
		w.ok(err)
		var ids []blue.DialogueID
		for _, row := range rows {
			w.same("verified", row.Verified, false)
			ids = append(ids, row.ID)
		}
		return ids
	}
	add := func(w *env, id blue.DialogueID) {
		w.Helper()
		w.clock.step(time.Second)
		_, err := w.store.Create(w.Context(), id, newDialogue())
		w.ok(err)
	}
	next := func(w *env, title string) blue.DialogueID {
		w.Helper()
		id, err := w.store.NextID(w.Context(), title)
		w.ok(err)
		return id
	}
	return []Case{
		on("List/dialogue/none", func(w *env) { w.same("ids", len(ids(w)), 0) }),
		on("List/dialogue/newest change first", func(w *env) {
			for _, id := range []blue.DialogueID{"b", "a", "c"} {
				add(w, id)
			}
			w.same("ids", ids(w), []blue.DialogueID{"c", "a", "b"})
			w.clock.step(time.Second)
			_, err := w.store.RegisterExpert(w.Context(), "b", newExpert("Muffin"))
			w.ok(err)
			w.same("ids after a change", ids(w), []blue.DialogueID{"b", "c", "a"})
		}),
		on("List/dialogue/a row's fields", func(w *env) {
			w.seed()
			rows, err := w.store.List(w.Context())
			w.ok(err)
			w.same("the row", rows, []blue.Listed{{ID: dialogue, Status: blue.StatusOpen, TotalRounds: 1, TotalAlignment: 7,
				UpdatedAt: w.load().Dialogue.UpdatedAt.Format("2006-01-02T15:04:05.000000000Z")}})
		}),
		on("List/dialogue/by status", func(w *env) {
			for _, id := range []blue.DialogueID{"a", "b"} {
				add(w, id)
			}
			status := blue.Status("converging")
			_, err := w.store.Amend(w.Context(), "b", blue.Amendment{Status: &status})
			w.ok(err)
			w.same("ids, open ones first", ids(w), []blue.DialogueID{"a", "b"})
		}),
		on("NextID/dialogue/free", func(w *env) { w.same("id", next(w, "How large is a muffin?"), dialogue) }),
		on("NextID/dialogue/taken", func(w *env) {
			add(w, "a-b")
			add(w, "a-b-2")
			w.same("id", next(w, "A & B"), blue.DialogueID("a-b-3"))
		}),
		on("NextID/dialogue/reserves nothing", func(w *env) { w.same("id", next(w, "A"), next(w, "A")) }),
		on("NextID/dialogue/no letter", func(w *env) {
			_, err := w.store.NextID(w.Context(), "?!")
			w.fails(err, blue.ErrInvalid)
		}),
		on("NextID/dialogue/not UTF-8", func(w *env) {
			_, err := w.store.NextID(w.Context(), "a\xff")
			w.fails(err, blue.ErrInvalid)
		}),
		on("NextID/dialogue/not in form C", func(w *env) {
			_, err := w.store.NextID(w.Context(), "cafe\u0301")
			if err == nil {
				return // a store may compose it
			}
			w.fails(err, blue.ErrInvalid)
		}),
		on("NextID/dialogue/all 99 taken", func(w *env) {
			for _, id := range blue.DialogueID("a").Candidates() {
				add(w, id)
			}
			_, err := w.store.NextID(w.Context(), "A")
			w.fails(err, blue.ErrRefused)
		}),
	}
}
