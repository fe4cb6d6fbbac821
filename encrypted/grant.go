package encrypted

import (
	"context"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// Grant lets another user read and write a dialogue: its keys are wrapped for
// them too (keys.Ring.Grant). granted is false where they held everything
// already. Nothing of the dialogue changes.
func (e *EncryptedStore[S, K]) Grant(ctx context.Context, id blue.DialogueID, user string) (granted bool, err error) {
	s := e.sealing
	ctx, o := s.operate(ctx, "grant", audit.Grant, string(id))
	granted, err = s.grant(ctx, o, user)
	if err = o.end(ctx, err); err != nil {
		return false, err
	}
	return granted, nil
}

func (s *sealing) grant(ctx context.Context, o *operation, user string) (granted bool, err error) {
	if err := keys.CheckUser(user); err != nil {
		return false, err
	}
	status, err := s.ring.Status(ctx, o.dialogue)
	if err != nil {
		return false, err
	}
	o.read = true
	if status.Active > 0 {
		o.keyID = fmt.Sprintf("dek#%s#%d", o.dialogue, status.Active)
	}
	note, err := s.subject(ctx, user)
	if err != nil {
		return false, err
	}
	if err := o.note(ctx, audit.Intent, note); err != nil {
		return false, err
	}
	if granted, err = s.ring.Grant(ctx, o.dialogue, user); err != nil {
		return false, err
	}
	return granted, o.note(ctx, audit.Success, note)
}

// note stores an event of an operation that changes keys.
func (o *operation) note(ctx context.Context, outcome audit.Outcome, fill func(*audit.Event)) error {
	return o.s.log.Append(ctx, fill, o.kind, o.dialogue, o.keyID, outcome)
}

// subject fills into an event whom it is about, by the name that the log gives
// them, as its one item without a tag. Nobody for "".
func (s *sealing) subject(ctx context.Context, user string) (func(*audit.Event), error) {
	if user == "" {
		return func(*audit.Event) {}, nil
	}
	name, err := s.log.Name(ctx, user)
	if err != nil {
		return nil, err
	}
	var e audit.Event
	if err := e.Write([]audit.Item{{SK: name}}); err != nil {
		return nil, err
	}
	return func(to *audit.Event) { to.ItemCount, to.ItemNames, to.ItemTags = e.ItemCount, e.ItemNames, e.ItemTags }, nil
}

// KeyStatus is what the tables say of a dialogue's keys. Nothing of it is
// opened or verified.
type KeyStatus struct {
	keys.Status
	Items map[uint32]int `json:"items"` // stored items by the key version they name, meta included; 0: none that can be read
}

// KeyStatus reads the keys of a dialogue and counts its items, without a key
// and without an event. ErrNotFound where there are no keys.
func (e *EncryptedStore[S, K]) KeyStatus(ctx context.Context, id blue.DialogueID) (KeyStatus, error) {
	status, err := e.sealing.ring.Status(ctx, string(id))
	if err != nil {
		return KeyStatus{}, err
	}
	items, err := e.sealing.inner.Query(ctx, record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(id))})
	if err != nil {
		return KeyStatus{}, err
	}
	st := KeyStatus{Status: status, Items: map[uint32]int{}}
	for _, r := range items {
		_, version, err := envelope.ParseKeyID(claimed(string(id), r))
		if err != nil {
			version = 0
		}
		st.Items[version]++
	}
	return st, nil
}
