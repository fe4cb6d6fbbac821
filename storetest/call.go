package storetest

import (
	"context"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// call uses one method on one kind of entity. It succeeds on a dialogue made by
// env.seed. Cases that are alike for all methods run over the table of calls.
type call struct {
	name  string // method/kind
	write bool
	do    func(ctx context.Context, s Store, id blue.DialogueID) error
}

// method returns the first part of the name.
func (c call) method() string { m, _, _ := strings.Cut(c.name, "/"); return m }

var createCall = call{"Create/dialogue", true, func(ctx context.Context, s Store, id blue.DialogueID) error {
	_, err := s.Create(ctx, id, newDialogue())
	return err
}}

// perMethod returns one call of each method that works on an existing dialogue.
func perMethod() []call {
	status := blue.Status("converging")
	return []call{
		{"Load/dialogue", false, func(ctx context.Context, s Store, id blue.DialogueID) error {
			_, err := s.Load(ctx, id)
			return err
		}},
		getCall("dialogue", blue.EntityKey{Kind: blue.KindDialogue}),
		{"RegisterExpert/expert", true, func(ctx context.Context, s Store, id blue.DialogueID) error {
			_, err := s.RegisterExpert(ctx, id, newExpert("Brioche"))
			return err
		}},
		{"RegisterRound/round", true, func(ctx context.Context, s Store, id blue.DialogueID) error {
			_, err := s.RegisterRound(ctx, id, batch(1))
			return err
		}},
		{"RecordSignal/round", true, func(ctx context.Context, s Store, id blue.DialogueID) error {
			_, err := s.RecordSignal(ctx, id, blue.Signal{Round: 0, Expert: "Muffin"})
			return err
		}},
		{"RegisterVerdict/verdict", true, func(ctx context.Context, s Store, id blue.DialogueID) error {
			_, err := s.RegisterVerdict(ctx, id, blue.NewVerdict{ID: "second", Type: "dissent"})
			return err
		}},
		transitionCall("P0001", "refined"),
		{"Amend/dialogue", true, func(ctx context.Context, s Store, id blue.DialogueID) error {
			_, err := s.Amend(ctx, id, blue.Amendment{Status: &status})
			return err
		}},
	}
}

// perKind returns the calls that perMethod makes on one kind alone.
func perKind() []call {
	return []call{
		getCall("expert", blue.EntityKey{Kind: blue.KindExpert, Key: "Muffin"}),
		getCall("round", blue.EntityKey{Kind: blue.KindRound, Key: "0"}),
		getCall("perspective", id("P0001").Key()),
		getCall("tension", id("T0001").Key()),
		getCall("recommendation", id("R0001").Key()),
		getCall("evidence", id("E0001").Key()),
		getCall("claim", id("C0001").Key()),
		getCall("verdict", blue.EntityKey{Kind: blue.KindVerdict, Key: "first"}),
		getCall("move", blue.EntityKey{Kind: blue.KindMove, Key: "0#muffin#1"}),
		eventCall("perspective_event", "P0001"),
		eventCall("tension_event", "T0001"),
		eventCall("recommendation_event", "R0001"),
		eventCall("evidence_event", "E0001"),
		eventCall("claim_event", "C0001"),
		transitionCall("T0001", "addressed"),
		transitionCall("R0001", "adopted"),
		transitionCall("E0001", "challenged"),
		transitionCall("C0001", "supported"),
	}
}

// across returns the calls that take no dialogue.
func across() []call {
	return []call{
		{"List/dialogue", false, func(ctx context.Context, s Store, _ blue.DialogueID) error {
			_, err := s.List(ctx)
			return err
		}},
		{"ListStatus/dialogue", false, func(ctx context.Context, s Store, _ blue.DialogueID) error {
			_, err := s.ListStatus(ctx, blue.StatusOpen)
			return err
		}},
		{"ListTensions/tension", false, func(ctx context.Context, s Store, _ blue.DialogueID) error {
			_, err := s.ListTensions(ctx, blue.StatusOpen)
			return err
		}},
		{"ListExpert/expert", false, func(ctx context.Context, s Store, _ blue.DialogueID) error {
			_, err := s.ListExpert(ctx, "Muffin")
			return err
		}},
		{"NextID/dialogue", false, func(ctx context.Context, s Store, _ blue.DialogueID) error {
			_, err := s.NextID(ctx, "How large is a muffin?")
			return err
		}},
	}
}

func getCall(kind string, key blue.EntityKey) call {
	return call{"Get/" + kind, false, func(ctx context.Context, s Store, id blue.DialogueID) error {
		_, err := s.Get(ctx, id, key)
		return err
	}}
}

// eventCall gets the created event of an entity. The stamp of the event is
// seedStamp.
func eventCall(kind, of string) call {
	return getCall(kind, blue.EntityKey{Kind: blue.Kind(kind), Key: of + "#" + seedStamp})
}

func transitionCall(display string, to blue.Status) call {
	of := id(display)
	return call{"Transition/" + string(of.Kind), true, func(ctx context.Context, s Store, id blue.DialogueID) error {
		_, err := s.Transition(ctx, id, blue.Transition{ID: of, To: to})
		return err
	}}
}

// existing returns every call on an existing dialogue.
func existing() []call { return append(perMethod(), perKind()...) }
