package erasure

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// describe returns what the store and the event of the outcome say about an
// erasure: the members of its certificate from started_at to revoked. Issue
// takes them from here, and Verify compares with them. The error is
// blue.ErrNotFound if the registry does not know the erasure, or if the event
// erased nothing.
func describe(ctx context.Context, store record.Store, subject Subject, e *audit.Event) (Certificate, error) {
	c := Certificate{
		Subject: subject, Tables: []string{string(record.Dialogues), string(record.Keys)}, ItemsDigest: hex.EncodeToString(e.ItemsDigest),
	}
	ring := reader(store)
	switch subject.Kind {
	case KindDialogue:
		entry, err := registryEntry(ctx, ring, subject.ID)
		if err != nil {
			return c, err
		}
		c.Keys, c.StartedAt, c.Items = entry.Wraps, entry.StartedAt, e.ItemCount
		// The event is newer if restored data was erased again.
		c.FinishedAt = max(entry.FinishedAt, e.Timestamp)
		return c, nil
	case KindUser:
		said, err := parseOutcome(e)
		if err != nil {
			return c, err
		}
		c.Erased, c.Revoked, c.Keys, c.Items = said.erased, said.revoked, said.wraps, said.records
		c.StartedAt, c.FinishedAt = said.begun, e.Timestamp
		for _, id := range c.Erased {
			entry, err := registryEntry(ctx, ring, id)
			if err != nil {
				return c, err
			}
			c.Keys = append(c.Keys, entry.Wraps...)
		}
		slices.Sort(c.Keys)
		c.Keys = slices.Compact(c.Keys)
		return c, nil
	}
	return c, fmt.Errorf("%w: a subject is a dialogue or a user", blue.ErrInvalid)
}

// compare says in what a certificate differs from what is described.
func (c *Certificate) compare(said *Certificate) error {
	for _, hash := range c.Keys {
		if !slices.Contains(said.Keys, hash) {
			return wrong("it names the key %.64q, which neither the registry of erasures nor its event does", hash)
		}
	}
	for _, hash := range said.Keys {
		if !slices.Contains(c.Keys, hash) {
			return wrong("it does not name the key %.64q, which the registry of erasures or its event does", hash)
		}
	}
	switch {
	case !slices.Equal(c.Keys, said.Keys):
		return wrong("it names a key twice, or in another order")
	case c.Items != said.Items || c.ItemsDigest != said.ItemsDigest:
		return wrong("its event counts %d records, or has another digest", said.Items)
	case !slices.Equal(c.Erased, said.Erased) || !slices.Equal(c.Revoked, said.Revoked):
		return wrong("its event names other dialogues")
	case c.StartedAt != said.StartedAt:
		return wrong("the erasure began at %.40q", said.StartedAt)
	case c.FinishedAt != said.FinishedAt:
		return wrong("the erasure was finished at %.40q", said.FinishedAt)
	case !slices.Equal(c.Tables, said.Tables):
		return wrong("it names other tables")
	}
	return nil
}

// registryEntry returns a dialogue's entry in the registry of erasures. The
// error is blue.ErrNotFound if there is none.
func registryEntry(ctx context.Context, ring *keys.Ring, dialogue string) (keys.Erasure, error) {
	entries, err := ring.Erasures(ctx)
	if err != nil {
		return keys.Erasure{}, err
	}
	i := slices.IndexFunc(entries, func(e keys.Erasure) bool { return e.Dialogue == dialogue })
	if i < 0 {
		return keys.Erasure{}, fmt.Errorf("%w: the registry of erasures does not know dialogue %s", blue.ErrNotFound, dialogue)
	}
	return entries[i], nil
}

// reader returns a ring that reads clear attributes and opens no key.
func reader(store record.Store) *keys.Ring { return keys.NewRing(store, nil, "notary", nil) }

// asTampered returns the error of a certificate about an erasure that the store
// does not know.
func asTampered(err error) error {
	if errors.Is(err, blue.ErrNotFound) {
		return wrong("%v", err)
	}
	return err
}
