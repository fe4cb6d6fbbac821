package erasure

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/internal/seal"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// The erasure of a user stores what it will do before it does any of it. The run
// that finishes can then report what earlier runs did, because no other record
// names the user of a deleted wrap. The record is in table Keys:
//
//	PK erasing   SK the user's name in the log
//	    created_at  S  when the first run stored it
//	    erase       S  ids of the dialogues to erase, ascending, separated by newlines
//	    revoke      S  ids of the dialogues that other users keep, likewise
//	    wraps       B  SHA-256 of each of the user's wraps of those, and of their own
//	                   stored key, ascending, 32 bytes each
//
// Empty attributes are absent. The record holds at most 400 KB
// (record.MaxRecord), which is some thousands of dialogues. The events of intent
// and outcome must hold them too. The plan is deleted in the commit that forgets
// the user's name.
const (
	plansPK = "erasing"

	attrErase   = "erase"
	attrRevoke  = "revoke"
	attrHashes  = "wraps"
	attrCreated = "created_at"
)

// A userPlan is such a record. The lists are ascending, each entry once.
type userPlan struct {
	key    record.Key
	stored record.Attrs // nil if no plan is stored
	erase  []string
	revoke []string
	hashes []string // 64 hex digits each
}

// readPlan returns the plan of earlier runs for a user, by the user's name in
// the log. The error is blue.ErrTampered for a malformed record.
func readPlan(ctx context.Context, records record.Store, name string) (*userPlan, error) {
	p := &userPlan{key: record.Key{Partition: plansPK, Item: name}}
	r, err := records.Get(ctx, record.Keys, p.key)
	if errors.Is(err, blue.ErrNotFound) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	p.stored, p.erase, p.revoke = r.Attrs, splitErasedList(r.Attrs[attrErase]), splitErasedList(r.Attrs[attrRevoke])
	for _, id := range p.dialogues() {
		if _, err := blue.ParseDialogueID(id); err != nil {
			return nil, fmt.Errorf("%w: the plan of an unfinished erasure names %.40q, which is not a dialogue", blue.ErrTampered, id)
		}
	}
	hashes := r.Attrs[attrHashes].Bin()
	if len(hashes)%sha256.Size != 0 {
		return nil, fmt.Errorf("%w: the plan of an unfinished erasure has %d bytes of hashes", blue.ErrTampered, len(hashes))
	}
	for hash := range slices.Chunk(hashes, sha256.Size) {
		p.hashes = append(p.hashes, hex.EncodeToString(hash))
	}
	return p, nil
}

func splitErasedList(v record.Value) []string {
	if v.Str() == "" {
		return nil
	}
	return strings.Split(v.Str(), "\n")
}

// dialogues returns the ids of all dialogues in the plan.
func (p *userPlan) dialogues() []string { return slices.Concat(p.erase, p.revoke) }

// event returns what the events of intent and outcome have in common. user is
// the user's name in the log, of the intent alone.
func (p *userPlan) event(user string) *userEvent {
	return &userEvent{user: user, erased: p.erase, revoked: p.revoke, wraps: p.hashes}
}

// add adds a task to the plan. It replaces what an earlier run planned for the
// same dialogue.
func (p *userPlan) add(t task) {
	id := string(t.dialogue)
	isSame := func(other string) bool { return other == id }
	p.erase, p.revoke = slices.DeleteFunc(p.erase, isSame), slices.DeleteFunc(p.revoke, isSame)
	if t.erase {
		p.erase = append(p.erase, id)
		return
	}
	p.revoke = append(p.revoke, id)
	p.hashes = append(p.hashes, t.wraps...)
}

// store stores the plan unless it is stored as it is. The error is blue.ErrBusy
// if another run changed the plan.
func (p *userPlan) store(ctx context.Context, records record.Store, now time.Time) error {
	for _, list := range []*[]string{&p.erase, &p.revoke, &p.hashes} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	attrs := record.Attrs{attrCreated: record.S(now.UTC().Format(record.TimeLayout))}
	if created, ok := p.stored[attrCreated]; ok {
		attrs[attrCreated] = created
	}
	for name, ids := range map[string][]string{attrErase: p.erase, attrRevoke: p.revoke} {
		if len(ids) > 0 {
			attrs[name] = record.S(strings.Join(ids, "\n"))
		}
	}
	var hashes bytes.Buffer
	for _, text := range p.hashes {
		hash, err := hex.DecodeString(text)
		if err != nil {
			return err
		}
		hashes.Write(hash)
	}
	if hashes.Len() > 0 {
		attrs[attrHashes] = record.B(hashes.Bytes())
	}
	if p.stored != nil && (record.Record{Attrs: attrs}).Equal(record.Record{Attrs: p.stored}) {
		return nil
	}
	err := records.Commit(ctx, []record.Write{{Table: record.Keys, Record: record.Record{Key: p.key, Attrs: attrs}, Prev: p.stored}})
	if errors.Is(err, blue.ErrConflict) {
		return fmt.Errorf("%w: another run erases the same user; run it again", blue.ErrBusy)
	}
	if err != nil {
		return fmt.Errorf("storing the plan of the erasure: %w", err)
	}
	p.stored = attrs
	return nil
}

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
	seal.SetItems(to, items...)
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

// describeErasure returns what the store and the event of the outcome say about an
// erasure: the members of its certificate from started_at to revoked. Issue
// takes them from here, and Verify compares with them. The error is
// blue.ErrNotFound if the registry does not know the erasure, or if the event
// erased nothing.
func describeErasure(ctx context.Context, store record.Store, subject Subject, e *audit.Event) (Certificate, error) {
	c := Certificate{
		Subject: subject, Tables: []string{string(record.Dialogues), string(record.Keys)}, ItemsDigest: hex.EncodeToString(e.ItemsDigest),
	}
	ring := erasureRing(store)
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
			return wrongCertificate("it names the key %.64q, which neither the registry of erasures nor its event does", hash)
		}
	}
	for _, hash := range said.Keys {
		if !slices.Contains(c.Keys, hash) {
			return wrongCertificate("it does not name the key %.64q, which the registry of erasures or its event does", hash)
		}
	}
	switch {
	case !slices.Equal(c.Keys, said.Keys):
		return wrongCertificate("it names a key twice, or in another order")
	case c.Items != said.Items || c.ItemsDigest != said.ItemsDigest:
		return wrongCertificate("its event counts %d records, or has another digest", said.Items)
	case !slices.Equal(c.Erased, said.Erased) || !slices.Equal(c.Revoked, said.Revoked):
		return wrongCertificate("its event names other dialogues")
	case c.StartedAt != said.StartedAt:
		return wrongCertificate("the erasure began at %.40q", said.StartedAt)
	case c.FinishedAt != said.FinishedAt:
		return wrongCertificate("the erasure was finished at %.40q", said.FinishedAt)
	case !slices.Equal(c.Tables, said.Tables):
		return wrongCertificate("it names other tables")
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

// erasureRing returns a ring that reads clear attributes and opens no key.
func erasureRing(store record.Store) *keys.Ring { return keys.NewRing(store, nil, "notary", nil) }
