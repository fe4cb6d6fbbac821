package main

import (
	"context"

	blue "github.com/superviber/blue-encrypted-store"
)

// registration is what a register command was given, read and checked, and the
// store it goes to, which the command closes.
type registration[T any] struct {
	*session
	id       blue.DialogueID
	given    T
	warnings []blue.Warning
}

// openRegistration reads the data, has them parsed, and opens the store: no
// store is looked for, as in Blue, for data that none could take.
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
		return nil, a.refused(err)
	}
	s, err := a.openExisting(ctx)
	if err != nil {
		return nil, err
	}
	return &registration[T]{s, id, given, warnings}, nil
}
