package erasure

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// An Event is the place of an event in the audit log.
type Event struct {
	Chain string `json:"chain"`
	Seq   uint64 `json:"seq"`
	Hash  string `json:"event_hash"`
}

func placeOf(e *audit.Event) Event { return Event{Chain: e.Chain, Seq: e.Seq, Hash: e.EventHash} }

// The events of intent and outcome of a user's erasure say what becomes of each
// dialogue, as items without a tag:
//
//	(name)         the user, as the log calls them; of the intent alone
//	erased#{id}    a dialogue that is erased
//	revoked#{id}   a dialogue that other users keep
//	wrap#{hash}    SHA-256 of a wrapped key of the user, 64 hex digits
//	records#{n}    stored records of the erased dialogues, decimal; of the outcome alone
//	begun#{time}   start of the first run; of the outcome alone
//	name           the user's record in the directory is deleted; of the outcome alone
//
// The items_digest of the outcome is UserReport.Digest.
const (
	erasedItem  = "erased#"
	revokedItem = "revoked#"
	wrapItem    = "wrap#"
	recordsItem = "records#"
	begunItem   = "begun#"
	nameItem    = "name"
)

// A userEvent is the content of such an event.
type userEvent struct {
	user            string   // of the intent alone
	erased, revoked []string // ids of dialogues, ascending
	wraps           []string
	records         int64  // of the outcome alone, as are begun and hasName
	begun           string // "" in an intent
	hasName         bool
}

// write puts the items into an event, in the order of their description.
func (u *userEvent) write(to *audit.Event) {
	var items []audit.Item
	add := func(prefix string, names ...string) {
		for _, name := range names {
			items = append(items, audit.Item{SK: prefix + name})
		}
	}
	if u.user != "" {
		add("", u.user)
	}
	add(erasedItem, u.erased...)
	add(revokedItem, u.revoked...)
	add(wrapItem, u.wraps...)
	if u.begun != "" {
		add(recordsItem, strconv.FormatInt(u.records, 10))
		add(begunItem, u.begun)
	}
	if u.hasName {
		add(nameItem, "")
	}
	if err := to.Write(items); err != nil { // compressing in memory does not fail
		panic("erasure: " + err.Error())
	}
}

// parseOutcome reads the event of the outcome of a user's erasure. The error is
// blue.ErrNotFound for an outcome that erased nothing, and blue.ErrTampered.
func parseOutcome(e *audit.Event) (u userEvent, err error) {
	all, err := e.Items()
	if err != nil {
		return u, err
	}
	for _, item := range all {
		word, rest, _ := strings.Cut(item.SK, "#")
		switch word + "#" {
		case erasedItem:
			u.erased = append(u.erased, rest)
		case revokedItem:
			u.revoked = append(u.revoked, rest)
		case wrapItem:
			u.wraps = append(u.wraps, rest)
		case recordsItem:
			if u.records, err = strconv.ParseInt(rest, 10, 64); err != nil {
				return u, fmt.Errorf("%w: the event counts %.40q records", blue.ErrTampered, rest)
			}
		case begunItem:
			u.begun = rest
		}
		u.hasName = u.hasName || item.SK == nameItem
	}
	if len(u.erased)+len(u.revoked)+len(u.wraps) == 0 && !u.hasName {
		return u, fmt.Errorf("%w: the event at its place erased nothing", blue.ErrNotFound)
	}
	return u, nil
}

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

// compare returns the first difference between a certificate and the expected
// content.
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
