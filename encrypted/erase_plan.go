package encrypted

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// A run of EraseUser keeps what it will do before it does any of it, so that the
// run that finishes can say what those before it did: where a wrap is gone,
// nothing else tells whose it was. The record is in table blue_keys:
//
//	PK erasing   SK the user, as the log calls them
//	    created_at  S  when the first run that did not finish put it
//	    erase       S  ids of the dialogues that go as a whole, ascending, one a line
//	    revoke      S  ids of the dialogues that others keep, likewise
//	    wraps       B  SHA-256 of each of the user's wraps of those, and of their own
//	                   stored key, ascending, 32 bytes each
//
// What is empty is absent. The record holds at most 400 KB (record.MaxRecord),
// some thousands of dialogues, which the events of intent and outcome must hold
// too. It goes in the commit that forgets the user's name (ForgetUser).
const (
	plansPK = "erasing"

	attrErase   = "erase"
	attrRevoke  = "revoke"
	attrHashes  = "wraps"
	attrCreated = "created_at"
)

// userPlan is such a record. The lists are ascending, each entry once.
type userPlan struct {
	key    record.Key
	stored record.Attrs // nil where there is none
	erase  []string
	revoke []string
	hashes []string // 64 hex digits
}

// readPlan returns what earlier runs left for a user. ErrTampered for a record
// that is none of ours.
func (s *sealing) readPlan(ctx context.Context, name string) (*userPlan, error) {
	p := &userPlan{key: record.Key{Partition: plansPK, Item: name}}
	r, err := s.inner.Get(ctx, record.Keys, p.key)
	if errors.Is(err, blue.ErrNotFound) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	p.stored, p.erase, p.revoke = r.Attrs, lines(r.Attrs[attrErase]), lines(r.Attrs[attrRevoke])
	for _, id := range slices.Concat(p.erase, p.revoke) {
		if _, err := blue.ParseDialogueID(id); err != nil {
			return nil, fmt.Errorf("%w: the plan of an unfinished erasure names %.40q, no dialogue", blue.ErrTampered, id)
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

func lines(v record.Value) []string {
	if v.Str() == "" {
		return nil
	}
	return strings.Split(v.Str(), "\n")
}

// add takes a task into the plan, in the place of what an earlier run meant to
// do with the same dialogue.
func (p *userPlan) add(t task) {
	id := string(t.dialogue)
	is := func(other string) bool { return other == id }
	p.erase, p.revoke = slices.DeleteFunc(p.erase, is), slices.DeleteFunc(p.revoke, is)
	if t.alone {
		p.erase = append(p.erase, id)
		return
	}
	p.revoke = append(p.revoke, id)
	p.hashes = append(p.hashes, t.wraps...)
}

// begun is when the first run put the plan, once one did.
func (p *userPlan) begun() string { return p.stored[attrCreated].Str() }

// keep stores the plan if it is not stored as it is.
func (s *sealing) keep(ctx context.Context, p *userPlan) error {
	for _, list := range []*[]string{&p.erase, &p.revoke, &p.hashes} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	attrs, err := p.attrs()
	if err != nil {
		return err
	}
	if at, ok := p.stored[attrCreated]; ok {
		attrs[attrCreated] = at
	} else {
		attrs[attrCreated] = record.S(s.now().UTC().Format(timeLayout))
	}
	if p.stored != nil && (record.Record{Attrs: attrs}).Equal(record.Record{Attrs: p.stored}) {
		return nil
	}
	err = s.inner.Commit(ctx, []record.Write{{Table: record.Keys, Record: record.Record{Key: p.key, Attrs: attrs}, Prev: p.stored}})
	if errors.Is(err, blue.ErrConflict) {
		return fmt.Errorf("%w: another run erases the same user; run it again", blue.ErrBusy)
	}
	if err != nil {
		return fmt.Errorf("keeping what is to be done: %w", err)
	}
	p.stored = attrs
	return nil
}

// attrs is the plan as it is stored, but for created_at.
func (p *userPlan) attrs() (record.Attrs, error) {
	attrs := record.Attrs{}
	for name, ids := range map[string][]string{attrErase: p.erase, attrRevoke: p.revoke} {
		if len(ids) > 0 {
			attrs[name] = record.S(strings.Join(ids, "\n"))
		}
	}
	var hashes bytes.Buffer
	for _, text := range p.hashes {
		hash, err := hex.DecodeString(text)
		if err != nil {
			return nil, err
		}
		hashes.Write(hash)
	}
	if hashes.Len() > 0 {
		attrs[attrHashes] = record.B(hashes.Bytes())
	}
	return attrs, nil
}
