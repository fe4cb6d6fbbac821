package keys

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// A Status describes the records of one dialogue in blue_keys. Its values are not
// authenticated.
type Status struct {
	Dialogue  string    `json:"dialogue"`
	State     string    `json:"state"`          // "active", "erasing" or "erased"
	Active    uint32    `json:"active_version"` // 0 if the key header has none
	CreatedAt string    `json:"created_at"`     // in record.TimeLayout
	Versions  []Version `json:"versions"`       // versions with at least one wrap, ascending
	Strays    []Stray   `json:"strays,omitempty"`
}

// A Version describes one version of a dialogue's key.
type Version struct {
	Version   uint32   `json:"version"`
	CreatedAt string   `json:"created_at"` // of the earliest stored wrap, "" if none has it
	Holders   []Holder `json:"holders"`    // ascending by user
}

// A Holder describes the wrap of one user.
type Holder struct {
	User        string `json:"user"`
	UMK         string `json:"umk"`         // fingerprint of the master key above
	Fingerprint string `json:"fingerprint"` // SHA-256 of the wrapped bytes, 64 hexadecimal digits
	CreatedAt   string `json:"created_at"`  // in record.TimeLayout
}

// A Stray describes a record in a dialogue's partition whose sort key is not that
// of a key header or a wrap. A Ring never opens it. It could be a wrap that was
// moved, so an erasure deletes it.
type Stray struct {
	SK          string `json:"sk"`
	User        string `json:"user"`        // from the attribute user, "" if there is none
	Fingerprint string `json:"fingerprint"` // SHA-256 of the attribute wrapped, 64 hexadecimal digits
}

// isOf reports whether the attribute or the sort key of a stray names a user.
func (s Stray) isOf(user string) bool { return s.User == user || strings.HasSuffix(s.SK, "#"+user) }

// Status reads the keys of a dialogue in any state, without the provider. It
// returns blue.ErrNotFound if there are none, blue.ErrInvalid for a malformed id,
// and the errors of the store.
func (r *Ring) Status(ctx context.Context, dialogue string) (Status, error) {
	if err := r.checkDialogue(dialogue); err != nil {
		return Status{}, err
	}
	p, err := r.readPartition(ctx, dialogue)
	if err != nil {
		return Status{}, err
	}
	if len(p.header.Attrs) == 0 && len(p.wraps) == 0 {
		return Status{}, fmt.Errorf("keys of dialogue %s: %w", dialogue, blue.ErrNotFound)
	}
	header := p.header.Attrs
	st := Status{Dialogue: dialogue, State: p.state(), Active: uint32(header[attrActive].Int()), CreatedAt: header[attrCreated].Str()}
	for _, w := range p.wraps {
		if w.Version == 0 {
			st.Strays = append(st.Strays, w.stray())
			continue
		}
		if n := len(st.Versions); n == 0 || st.Versions[n-1].Version != w.Version {
			st.Versions = append(st.Versions, Version{Version: w.Version})
		}
		v := &st.Versions[len(st.Versions)-1]
		created := w.record.Attrs[attrCreated].Str()
		v.Holders = append(v.Holders, Holder{User: w.User, UMK: w.record.Attrs[attrUMK].Str(), Fingerprint: w.hexHash(), CreatedAt: created})
		if v.CreatedAt == "" || created != "" && created < v.CreatedAt { // the layout has a fixed width
			v.CreatedAt = created
		}
	}
	return st, nil
}

func (w wrap) stray() Stray {
	return Stray{SK: w.record.Key.Item, User: w.record.Attrs[attrUser].Str(), Fingerprint: w.hexHash()}
}

// holders iterates over the holders of all versions.
func (s Status) holders() iter.Seq[Holder] {
	return func(yield func(Holder) bool) {
		for _, v := range s.Versions {
			for _, h := range v.Holders {
				if !yield(h) {
					return
				}
			}
		}
	}
}

// Fingerprints returns the fingerprints of all wraps and strays.
func (s Status) Fingerprints() []string {
	var all []string
	for h := range s.holders() {
		all = append(all, h.Fingerprint)
	}
	for _, stray := range s.Strays {
		all = append(all, stray.Fingerprint)
	}
	return all
}

// StraysOf returns the fingerprints of the strays that name a user.
func (s Status) StraysOf(user string) []string {
	var all []string
	for _, stray := range s.Strays {
		if stray.isOf(user) {
			all = append(all, stray.Fingerprint)
		}
	}
	return all
}

// Users returns the users with a wrap of any version, ascending.
func (s Status) Users() []string {
	var users []string
	for h := range s.holders() {
		users = append(users, h.User)
	}
	slices.Sort(users)
	return slices.Compact(users)
}

// WrapsOf returns the fingerprints of a user's wraps, ascending by version.
func (s Status) WrapsOf(user string) []string {
	var wraps []string
	for h := range s.holders() {
		if h.User == user {
			wraps = append(wraps, h.Fingerprint)
		}
	}
	return wraps
}
