package erasure

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
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
	p.stored, p.erase, p.revoke = r.Attrs, splitLines(r.Attrs[attrErase]), splitLines(r.Attrs[attrRevoke])
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

func splitLines(v record.Value) []string {
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
