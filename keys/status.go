package keys

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// Status is what blue_keys says of one dialogue. Nothing of it is opened.
type Status struct {
	Dialogue  string    `json:"dialogue"`
	State     string    `json:"state"`          // active, erasing or erased
	Active    uint32    `json:"active_version"` // 0 where the head does not say
	CreatedAt string    `json:"created_at"`
	Versions  []Version `json:"versions"` // that have a wrap, ascending
	Strays    []Stray   `json:"strays,omitempty"`
}

// Stray is a record among a dialogue's keys at a place where no wrap is put,
// and that the ring never opens. It may be a wrap all the same, moved there:
// an erasure deletes it, and none is proved while it stands.
type Stray struct {
	SK          string `json:"sk"`
	User        string `json:"user"`        // whom its attribute names, "" for nobody
	Fingerprint string `json:"fingerprint"` // SHA-256 of what would be the wrapped bytes, 64 hex digits
}

// names reports whether a stray is somebody's, by its attribute or its place.
func (s Stray) names(user string) bool { return s.User == user || strings.HasSuffix(s.SK, "#"+user) }

// Version is one version of a dialogue's key.
type Version struct {
	Version   uint32   `json:"version"`
	CreatedAt string   `json:"created_at"` // of the earliest wrap that stands, "" where none says
	Holders   []Holder `json:"holders"`    // ascending by user
}

// add puts a holder's wrap to a version.
func (v *Version) add(h Holder) {
	v.Holders = append(v.Holders, h)
	if v.CreatedAt == "" || h.CreatedAt != "" && h.CreatedAt < v.CreatedAt { // one layout of fixed width
		v.CreatedAt = h.CreatedAt
	}
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
			st.Strays = append(st.Strays, w.stray())
			continue
		}
		if n := len(st.Versions); n == 0 || st.Versions[n-1].Version != w.Version {
			st.Versions = append(st.Versions, Version{Version: w.Version})
		}
		hash := w.hash()
		st.Versions[len(st.Versions)-1].add(Holder{
			User: w.User, UMK: w.record.Attrs[attrUMK].Str(), Fingerprint: hex.EncodeToString(hash[:]), CreatedAt: w.record.Attrs[attrCreated].Str(),
		})
	}
	return st, nil
}

func (w wrap) stray() Stray {
	hash := w.hash()
	return Stray{SK: w.record.Key.Item, User: w.record.Attrs[attrUser].Str(), Fingerprint: hex.EncodeToString(hash[:])}
}

// Standing returns the fingerprint of every record beside the head: of wraps
// and of strays.
func (s Status) Standing() []string {
	var all []string
	for _, v := range s.Versions {
		for _, h := range v.Holders {
			all = append(all, h.Fingerprint)
		}
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
		if stray.names(user) {
			all = append(all, stray.Fingerprint)
		}
	}
	return all
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
