package encrypted

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// Head is the newest state of a dialogue that a client has seen.
type Head struct {
	Dialogue    string `json:"dialogue"`
	Incarnation string `json:"incarnation"` // 32 hex digits
	Version     uint64 `json:"version"`
	RootHash    string `json:"root_hash"` // SHA-256 of root_sealed, 64 hex digits
	// KeyVersion is of the key that meta was sealed under, and Key its
	// envelope.Keys.Public, 64 hex digits. 0 and "" where none was noted.
	KeyVersion uint32 `json:"key_version,omitempty"`
	Key        string `json:"key,omitempty"`
}

// Heads remembers heads between runs of a program. Implementations may be
// used concurrently.
type Heads interface {
	// Get returns the head of a dialogue, if one was put. ErrTampered when
	// it cannot be read.
	Get(dialogue string) (Head, bool, error)
	// Put stores a head in place of an older one. A crash leaves one of the two.
	Put(h Head) error
}

// HeadDir keeps heads as files of one folder, one for each dialogue, 0600.
// The file name is the SHA-256 of the dialogue's id in hex. Two processes
// that put at once may leave the older of the two; the next load raises it.
type HeadDir string

func (d HeadDir) path(dialogue string) string {
	sum := sha256.Sum256([]byte(dialogue))
	return filepath.Join(string(d), hex.EncodeToString(sum[:])+".json")
}

// Get implements Heads.
func (d HeadDir) Get(dialogue string) (Head, bool, error) {
	path := d.path(dialogue)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Head{}, false, nil
	}
	var h Head
	if err == nil {
		err = json.Unmarshal(text, &h)
	}
	if err != nil || h.Dialogue != dialogue {
		return Head{}, false, fmt.Errorf("%w: the head file %s cannot be read; if you trust the store as it is, run again with --accept-rollback", blue.ErrTampered, path)
	}
	return h, true, nil
}

// Put implements Heads: a temporary file, flushed, then renamed. The folder is
// not flushed, which would make every commit wait once more: after a power cut
// the older head may stand, and the next load raises it.
func (d HeadDir) Put(h Head) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("%w: head folder: %w", blue.ErrUnavailable, err)
	}
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(string(d), "head-*.tmp") // mode 0600
	if err != nil {
		return fmt.Errorf("%w: head file: %w", blue.ErrUnavailable, err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), d.path(h.Dialogue))
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("%w: head file: %w", blue.ErrUnavailable, err)
	}
	return nil
}

// Dialogues returns the dialogues that have a head, in the order of the file
// names. Files that cannot be read are passed over; Get reports them.
func (d HeadDir) Dialogues() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: head folder: %w", blue.ErrUnavailable, err)
	}
	var dialogues []string
	for _, e := range entries {
		path := filepath.Join(string(d), e.Name())
		text, err := os.ReadFile(path)
		var h Head
		if err == nil && json.Unmarshal(text, &h) == nil && d.path(h.Dialogue) == path {
			dialogues = append(dialogues, h.Dialogue)
		}
	}
	return dialogues, nil
}

// remembered returns the head of a dialogue, if this client has one. It must
// be read before the partition: read after it, a commit of another process of
// this client in between would look like a rollback.
func (s *sealing) remembered(dialogue string) (*Head, error) {
	if s.heads == nil {
		return nil, nil
	}
	h, known, err := s.heads.Get(dialogue)
	if err != nil && s.accept {
		return nil, nil
	}
	if err != nil || !known {
		return nil, err
	}
	return &h, nil
}

// checkFreshness refuses a state older than one this client has seen, or one
// of another life of the dialogue.
func (s *sealing) checkFreshness(dialogue string, h *Head, r root) error {
	if h == nil || s.accept {
		return nil
	}
	detail := ""
	switch {
	case h.Incarnation != r.Incarnation:
		detail = "this client has seen the dialogue in another incarnation"
	case r.Version < h.Version:
		detail = fmt.Sprintf("version %d is stored, this client has seen version %d", r.Version, h.Version)
	case r.Version == h.Version && r.hash != h.RootHash:
		detail = fmt.Sprintf("this client has seen another version %d", r.Version)
	default:
		return nil
	}
	return &blue.TamperError{Dialogue: blue.DialogueID(dialogue), RolledBack: true,
		Damage: []blue.Damage{{Class: blue.DamageRolledBack, Item: record.Meta, Detail: detail}}}
}

// seen remembers a state that was loaded, if it is newer than what h says.
func (s *sealing) seen(dialogue string, h *Head, r root, k *envelope.Keys) error {
	if s.heads == nil || h != nil && (h.Incarnation != r.Incarnation || r.Version <= h.Version) {
		return nil
	}
	head, err := r.head(dialogue, k)
	if err != nil {
		return err
	}
	return s.heads.Put(head)
}

// stands remembers a state that this client committed, also on top of a
// rollback that it accepted.
func (s *sealing) stands(dialogue string, r root, k *envelope.Keys) error {
	if s.heads == nil {
		return nil
	}
	head, err := r.head(dialogue, k)
	if err == nil {
		err = s.heads.Put(head)
	}
	if err != nil {
		return fmt.Errorf("the change is stored, but this client could not note it as the newest state: %w", err)
	}
	return nil
}

// head is what to remember of a root that is sealed under k.
func (r *root) head(dialogue string, k *envelope.Keys) (Head, error) {
	public, err := k.Public()
	return Head{Dialogue: dialogue, Incarnation: r.Incarnation, Version: r.Version, RootHash: r.hash, KeyVersion: k.Version(), Key: hex.EncodeToString(public[:])}, err
}
