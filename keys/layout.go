package keys

import (
	"crypto/rand"
	"fmt"
	"math"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// The layout of blue_keys as drawn in the package doc.
const (
	headSK = "head"

	attrActive  = "active_version"
	attrState   = "state"
	attrCreated = "created_at"
	attrWrapped = "wrapped"
	attrUMK     = "umk"
	attrUser    = "user"
	attrVersion = "version"
	attrProof   = "proof"
	attrTurn    = "turn"

	stateActive  = "active"
	stateErasing = "erasing"
	stateErased  = "erased"

	maxFingerprint = 256 // bytes; an ARN fits
)

func partition(dialogue string) record.Partition { return record.DialoguePartition(dialogue) }

func headKey(dialogue string) record.Key {
	return record.Key{Partition: partition(dialogue), Item: headSK}
}

func wrapKey(b Binding) record.Key {
	return record.Key{Partition: partition(b.Dialogue), Item: wrapPrefix(b.Version) + b.User}
}

// wrapPrefix begins the sort keys of all wraps of one version.
func wrapPrefix(version uint32) string { return fmt.Sprintf("wrap#%010d#", version) }

// headRecord is the head of a dialogue that has just got version 1.
func headRecord(dialogue string, now time.Time) record.Record {
	return record.Record{Key: headKey(dialogue), Attrs: record.Attrs{
		attrActive:  record.N(1),
		attrState:   record.S(stateActive),
		attrTurn:    record.S(rand.Text()),
		attrCreated: record.S(now.UTC().Format(record.TimeLayout)),
	}}
}

func wrapRecord(b Binding, umk string, w Wrapped, now time.Time) record.Record {
	return record.Record{Key: wrapKey(b), Attrs: record.Attrs{
		attrWrapped: record.B(w),
		attrUMK:     record.S(umk),
		attrUser:    record.S(b.User),
		attrVersion: record.N(int64(b.Version)),
		attrCreated: record.S(now.UTC().Format(record.TimeLayout)),
	}}
}

// readHead returns the active version of a head; ErrErased, *TamperError.
func readHead(dialogue string, head record.Record) (uint32, error) {
	switch state := head.Attrs[attrState]; state.Str() {
	case stateActive:
	case stateErasing, stateErased:
		return 0, fmt.Errorf("%w: the keys of dialogue %s are %s", blue.ErrErased, dialogue, state.Str())
	default:
		return 0, damaged(dialogue, record.DamageMalformed, headSK, "has no known state")
	}
	active := head.Attrs[attrActive].Int()
	if active < 1 || active > math.MaxUint32 {
		return 0, damaged(dialogue, record.DamageMalformed, headSK, "has no valid active_version")
	}
	return uint32(active), nil
}

// readWrap returns what a wrap holds, after its clear attributes have been
// compared with the place it was found at; *TamperError.
func readWrap(b Binding, wrap record.Record) (w Wrapped, umk string, err error) {
	sk := wrap.Key.Item
	for _, a := range []struct {
		name string
		typ  record.Type
	}{{attrWrapped, record.Bytes}, {attrUMK, record.String}, {attrUser, record.String}, {attrVersion, record.Number}} {
		if wrap.Attrs[a.name].Type() != a.typ {
			return nil, "", damaged(b.Dialogue, record.DamageMalformed, sk, a.name+" is missing or of another type")
		}
	}
	umk = wrap.Attrs[attrUMK].Str()
	if why := unprintable(umk, maxFingerprint); why != "" {
		return nil, "", damaged(b.Dialogue, record.DamageMalformed, sk, attrUMK+" "+why)
	}
	if user, version := wrap.Attrs[attrUser].Str(), wrap.Attrs[attrVersion].Int(); user != b.User || version != int64(b.Version) {
		return nil, "", damaged(b.Dialogue, record.DamageMoved, sk, fmt.Sprintf("belongs to user %.80q, version %d", user, version))
	}
	return wrap.Attrs[attrWrapped].Bin(), umk, nil
}
