package main

import (
	"context"

	blue "github.com/superviber/blue-encrypted-store"
)

// registration is the parsed input of a register command, with the open store.
// The command must close the store.
type registration[T any] struct {
	*session
	id       blue.DialogueID
	given    T
	warnings []blue.Warning
}

// openRegistration reads and parses the data, then opens the store. As in Blue,
// invalid data is refused before the store is opened.
func openRegistration[T any](ctx context.Context, a *app, dialogue, data string, parse func(blue.DialogueID, []byte) (T, []blue.Warning, error)) (*registration[T], error) {
	id, err := dialogueID(dialogue)
	if err != nil {
		return nil, err
	}
	text, err := a.input(ctx, data)
	if err != nil {
		return nil, err
	}
	given, warnings, err := parse(id, text)
	if err != nil {
		return nil, a.answerRefusal(err)
	}
	s, err := a.openExisting(ctx)
	if err != nil {
		return nil, err
	}
	return &registration[T]{s, id, given, warnings}, nil
}
