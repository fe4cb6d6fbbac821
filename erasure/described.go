package erasure

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// described returns what the store and the event of the outcome say of an
// erasure, in the members of its certificate from started_at to revoked. An issue
// takes them from here, and a verification compares with them. ErrNotFound where
// the registry does not know it, or the event took nothing from anybody.
func described(ctx context.Context, store record.Store, subject Subject, e *audit.Event) (Certificate, error) {
	c := Certificate{Subject: subject, Tables: tables(), ItemsDigest: hex.EncodeToString(e.ItemsDigest)}
	err := fmt.Errorf("%w: a subject is a dialogue or a user", blue.ErrInvalid)
	switch subject.Kind {
	case KindDialogue:
		err = c.describeDialogue(ctx, store, e)
	case KindUser:
		err = c.describeUser(ctx, store, e)
	}
	return c, err
}

// tables are the logical tables in which an erasure destroys.
func tables() []string { return []string{string(record.Dialogues), string(record.Keys)} }

// describeDialogue fills in what the registry and the event say.
func (c *Certificate) describeDialogue(ctx context.Context, store record.Store, e *audit.Event) error {
	line, err := registered(ctx, store, c.Subject.ID)
	if err != nil {
		return err
	}
	c.Keys, c.StartedAt, c.Items = line.Wraps, line.StartedAt, e.ItemCount
	// Where data that had been restored was erased again, the event is newer.
	c.FinishedAt = max(line.FinishedAt, e.Timestamp)
	return nil
}

// describeUser fills in what the event says, and of the keys of dialogues that
// went as a whole what the registry says.
func (c *Certificate) describeUser(ctx context.Context, store record.Store, e *audit.Event) error {
	out, err := outcomeOf(e)
	if err != nil {
		return err
	}
	c.Erased, c.Revoked, c.Keys, c.Items = out.erased, out.revoked, out.wraps, out.records
	c.StartedAt, c.FinishedAt = out.begun, e.Timestamp
	for _, id := range c.Erased {
		line, err := registered(ctx, store, id)
		if err != nil {
			return err
		}
		c.Keys = append(c.Keys, line.Wraps...)
	}
	slices.Sort(c.Keys)
	c.Keys = slices.Compact(c.Keys)
	return nil
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

// registered returns a dialogue's line in the registry of erasures; ErrNotFound.
func registered(ctx context.Context, store record.Store, dialogue string) (keys.Erasure, error) {
	lines, err := reader(store).Erasures(ctx)
	if err != nil {
		return keys.Erasure{}, err
	}
	i := slices.IndexFunc(lines, func(e keys.Erasure) bool { return e.Dialogue == dialogue })
	if i < 0 {
		return keys.Erasure{}, fmt.Errorf("%w: the registry of erasures does not know dialogue %s", blue.ErrNotFound, dialogue)
	}
	return lines[i], nil
}

// reader is a ring that reads what is clear; it is never asked for a key.
func reader(store record.Store) *keys.Ring { return keys.NewRing(store, nil, "notary", nil) }

// outcome is what the event of a user's erasure says.
type outcome struct {
	erased, revoked []string // ids of dialogues, ascending
	wraps           []string // SHA-256, 64 hex digits
	records         int64
	begun           string
}

// outcomeOf reads the outcome of a user's erasure. ErrNotFound for one that took
// nothing away.
func outcomeOf(e *audit.Event) (outcome, error) {
	all, err := e.Items()
	if err != nil {
		return outcome{}, err
	}
	var out outcome
	named := false
	for _, item := range all {
		word, rest, _ := strings.Cut(item.SK, "#")
		switch word + "#" {
		case encrypted.ErasedItem:
			out.erased = append(out.erased, rest)
		case encrypted.RevokedItem:
			out.revoked = append(out.revoked, rest)
		case encrypted.WrapItem:
			out.wraps = append(out.wraps, rest)
		case encrypted.RecordsItem:
			if out.records, err = strconv.ParseInt(rest, 10, 64); err != nil {
				return outcome{}, fmt.Errorf("%w: the event counts %.40q records", blue.ErrTampered, rest)
			}
		case encrypted.BegunItem:
			out.begun = rest
		}
		named = named || item.SK == encrypted.NameItem
	}
	if len(out.erased)+len(out.revoked)+len(out.wraps) == 0 && !named {
		return outcome{}, fmt.Errorf("%w: the event at its place took nothing from anybody", blue.ErrNotFound)
	}
	return out, nil
}

// tampered makes of what is not known to the store what a certificate about it
// comes to.
func tampered(err error) error {
	if errors.Is(err, blue.ErrNotFound) {
		return wrong("%v", err)
	}
	return err
}
