package keys

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
)

// Status is what blue_keys says of one dialogue. Nothing of it is opened.
type Status struct {
	Dialogue  string    `json:"dialogue"`
	State     string    `json:"state"`          // active, erasing or erased
	Active    uint32    `json:"active_version"` // 0 where the head does not say
	CreatedAt string    `json:"created_at"`
	Versions  []Version `json:"versions"` // that have a wrap, ascending
}

// Version is one version of a dialogue's key.
type Version struct {
	Version uint32   `json:"version"`
	Holders []Holder `json:"holders"` // ascending by user
}

// Holder is one user's wrap.
type Holder struct {
	User        string `json:"user"`
	UMK         string `json:"umk"`         // fingerprint of the master key above
	Fingerprint string `json:"fingerprint"` // SHA-256 of the wrapped bytes, 64 hex digits
	CreatedAt   string `json:"created_at"`
}

// Status reads the keys of a dialogue, whatever their state, without a
// provider. ErrNotFound where there are none, ErrInvalid, the store's own.
func (r *Ring) Status(ctx context.Context, dialogue string) (Status, error) {
	if err := r.check(dialogue); err != nil {
		return Status{}, err
	}
	s, err := r.readShelf(ctx, dialogue)
	if err != nil {
		return Status{}, err
	}
	if len(s.head.Attrs) == 0 && len(s.wraps) == 0 {
		return Status{}, fmt.Errorf("keys of dialogue %s: %w", dialogue, blue.ErrNotFound)
	}
	head := s.head.Attrs
	st := Status{Dialogue: dialogue, State: head[attrState].Str(), Active: uint32(head[attrActive].Int()), CreatedAt: head[attrCreated].Str()}
	for _, w := range s.wraps {
		if w.Version == 0 {
			continue
		}
		if n := len(st.Versions); n == 0 || st.Versions[n-1].Version != w.Version {
			st.Versions = append(st.Versions, Version{Version: w.Version})
		}
		hash, v := w.hash(), &st.Versions[len(st.Versions)-1]
		v.Holders = append(v.Holders, Holder{
			User: w.User, UMK: w.record.Attrs[attrUMK].Str(), Fingerprint: hex.EncodeToString(hash[:]), CreatedAt: w.record.Attrs[attrCreated].Str(),
		})
	}
	return st, nil
}

// Users returns who holds a wrap of any version, ascending.
func (s Status) Users() []string {
	var users []string
	for _, v := range s.Versions {
		for _, h := range v.Holders {
			users = append(users, h.User)
		}
	}
	slices.Sort(users)
	return slices.Compact(users)
}

// Wraps returns the fingerprints of a user's wraps, ascending by version.
func (s Status) Wraps(user string) []string {
	var wraps []string
	for _, v := range s.Versions {
		for _, h := range v.Holders {
			if h.User == user {
				wraps = append(wraps, h.Fingerprint)
			}
		}
	}
	return wraps
}
