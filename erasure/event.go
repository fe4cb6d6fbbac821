package erasure

import (
	"fmt"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
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

// A userEvent is what such an event says.
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
