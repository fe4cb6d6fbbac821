package storetest

import (
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// indexCases check queries across dialogues, which read the three indexes. Every
// row is a hint.
func indexCases() []Case {
	return []Case{
		on("ListStatus/dialogue/one status alone", func(w *env) {
			w.seedAs("a")
			w.seedAs("b")
			w.seedAs("c")
			status := blue.Status("converging")
			_, err := w.store.Amend(w.Context(), "b", blue.Amendment{Status: &status})
			w.ok(err)
			w.same("open", dialoguesOf(w, blue.StatusOpen), []blue.DialogueID{"c", "a"})
			w.same("converging", dialoguesOf(w, "converging"), []blue.DialogueID{"b"})
			w.same("abandoned", len(dialoguesOf(w, "abandoned")), 0)
		}),
		on("ListStatus/dialogue/unknown status", func(w *env) {
			_, err := w.store.ListStatus(w.Context(), "paused")
			w.fails(err, blue.ErrInvalid)
		}),
		on("ListTensions/tension/across dialogues", func(w *env) {
			w.seedAs("b")
			first := w.seedAs("a")
			w.same("open", tensionsOf(w, blue.StatusOpen), []string{"a T0001", "b T0001"})
			rows, err := w.store.ListTensions(w.Context(), blue.StatusOpen)
			w.ok(err)
			w.same("a row", rows[0], blue.ListedTension{Dialogue: "a", ID: id("T0001"), Status: blue.StatusOpen, UpdatedAt: first})
		}),
		on("ListTensions/tension/follows a change of status", func(w *env) {
			w.seedAs("a")
			w.seedAs("b")
			_, err := w.store.RegisterRound(w.Context(), "a", batch(1))
			w.ok(err)
			_, err = w.store.Transition(w.Context(), "a", blue.Transition{ID: id("T0001"), To: "addressed"})
			w.ok(err)
			w.same("open", tensionsOf(w, blue.StatusOpen), []string{"a T0101", "b T0001"})
			w.same("addressed", tensionsOf(w, "addressed"), []string{"a T0001"})
			w.same("resolved", len(tensionsOf(w, blue.StatusResolved)), 0)
		}),
		on("ListTensions/tension/unknown status", func(w *env) {
			_, err := w.store.ListTensions(w.Context(), "loud")
			w.fails(err, blue.ErrInvalid)
		}),
		on("ListExpert/expert/panel and moves", func(w *env) {
			at := w.seedAs("a")
			rows, err := w.store.ListExpert(w.Context(), "Muffin")
			w.ok(err)
			w.same("rows", rows, []blue.ListedActivity{
				{Dialogue: "a", Kind: blue.KindExpert, Tier: "Core", UpdatedAt: at},
				{Dialogue: "a", Kind: blue.KindMove, Seq: 1, MoveType: "defend", UpdatedAt: at},
			})
		}),
		on("ListExpert/expert/across dialogues, without case", func(w *env) {
			w.seedAs("b")
			w.seedAs("a")
			_, err := w.store.RegisterRound(w.Context(), "b", batch(1))
			w.ok(err)
			w.same("rows", activityOf(w, "mUFFIN"), []string{"a expert 0", "a move 0", "b expert 0", "b move 0", "b move 1"})
			w.same("rows of the expert without moves", activityOf(w, "Scone"), []string{"a expert 0", "b expert 0"})
		}),
		on("ListExpert/expert/unknown expert", func(w *env) {
			w.seedAs("a")
			w.same("rows", len(activityOf(w, "Brioche")), 0)
			w.same("rows of the start of a name", len(activityOf(w, "Muff")), 0)
		}),
		on("ListExpert/expert/not a slug", func(w *env) {
			_, err := w.store.ListExpert(w.Context(), "a#b")
			w.fails(err, blue.ErrInvalid)
		}),
	}
}

// seedAs makes a dialogue with two experts and round 0 of batch, one second
// after the last change of another dialogue. It returns the time of the
// dialogue's last change.
func (w *env) seedAs(id blue.DialogueID) string {
	w.Helper()
	w.clock.step(time.Second)
	_, err := w.store.Create(w.Context(), id, newDialogue())
	w.ok(err)
	for _, slug := range []blue.ExpertSlug{"Muffin", "Scone"} {
		_, err = w.store.RegisterExpert(w.Context(), id, newExpert(slug))
		w.ok(err)
	}
	_, err = w.store.RegisterRound(w.Context(), id, batch(0))
	w.ok(err)
	snapshot, err := w.store.Load(w.Context(), id)
	w.ok(err)
	return snapshot.Dialogue.UpdatedAt.Format("2006-01-02T15:04:05.000000000Z")
}

func dialoguesOf(w *env, status blue.Status) (ids []blue.DialogueID) {
	w.Helper()
	rows, err := w.store.ListStatus(w.Context(), status)
	w.ok(err)
	for _, r := range rows {
		w.same("verified", r.Verified, false)
		w.same("status", r.Status, status)
		ids = append(ids, r.ID)
	}
	return ids
}

func tensionsOf(w *env, status blue.Status) (names []string) {
	w.Helper()
	rows, err := w.store.ListTensions(w.Context(), status)
	w.ok(err)
	for _, r := range rows {
		w.same("verified", r.Verified, false)
		w.same("status", r.Status, status)
		names = append(names, string(r.Dialogue)+" "+r.ID.String())
	}
	return names
}

func activityOf(w *env, slug blue.ExpertSlug) (names []string) {
	w.Helper()
	rows, err := w.store.ListExpert(w.Context(), slug)
	w.ok(err)
	for _, r := range rows {
		w.same("verified", r.Verified, false)
		names = append(names, string(r.Dialogue)+" "+string(r.Kind)+" "+string(rune('0'+r.Round)))
	}
	return names
}
