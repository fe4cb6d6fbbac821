package awskms_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmsfault"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestRewrap moves the KEK of a user to another KMS key. The KEK stays the same, a
// second call changes nothing, and a KEK that does not open is not replaced.
func TestRewrap(t *testing.T) {
	w := newEnv(t)
	old := w.provider("ada", nil)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(destroy(w.ring("ada", "ada").Create(ctx, "tea")))
	before, err := w.store.Get(ctx, record.Keys, kekKey("ada"))
	must(err)
	stored, err := old.StoredKey(ctx, "ada")
	must(err)
	if hash := sha256.Sum256(before.Attrs["wrapped"].Bin()); stored != (awskms.StoredKey{UMK: w.arn, Fingerprint: hex.EncodeToString(hash[:]), CreatedAt: before.Attrs["created_at"].Str()}) || stored.CreatedAt == "" {
		t.Errorf("stored: %+v", stored)
	}
	if none, err := old.StoredKey(ctx, "nobody"); err != nil || none != (awskms.StoredKey{}) {
		t.Errorf("the stored key of a user without one: %+v, %v", none, err)
	}

	next := &env{t: t, arn: kmstest.Key(t), layer: w.layer, url: w.url, store: w.store, at: w.at}
	fresh := next.provider("ada", nil)
	if wrong, ok := errors.AsType[*keys.WrongKeyError](destroy(next.ring("ada", "ada").Open(ctx, "dek#tea#1"))); !ok || wrong.Want != w.arn || wrong.Have != next.arn {
		t.Fatalf("before: %v", wrong)
	}
	for _, action := range []string{"kms:Decrypt", "kms:Encrypt"} {
		w.layer.Play(kmsfault.Fault{Action: action, Answer: kmsfault.Denied})
		if changed, err := fresh.RewrapKEK(ctx, old, "ada"); changed || !errors.Is(err, keys.ErrDenied) {
			t.Errorf("%s denied: %v, %v", action, changed, err)
		}
		w.layer.Clear()
	}
	if now, _ := w.store.Get(ctx, record.Keys, kekKey("ada")); !now.Equal(before) {
		t.Error("a failure changed the record")
	}

	changed, err := fresh.RewrapKEK(ctx, old, "ada")
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	must(destroy(next.ring("ada", "ada").Open(ctx, "dek#tea#1"))) // its wrap still names the old KMS key
	if wrong, ok := errors.AsType[*keys.WrongKeyError](destroy(w.ring("ada", "ada").Open(ctx, "dek#tea#1"))); !ok || wrong.Want != next.arn {
		t.Errorf("the old provider: %v", wrong)
	}
	if now, err := fresh.StoredKey(ctx, "ada"); err != nil || now.UMK != next.arn || now.Before != w.arn || now.Fingerprint == stored.Fingerprint || now.CreatedAt != stored.CreatedAt {
		t.Errorf("stored: %+v, %v; before: %+v", now, err, stored)
	}
	if none, err := fresh.StoredKey(ctx, "nobody"); err != nil || none != (awskms.StoredKey{}) {
		t.Errorf("a user without a KEK: %+v, %v", none, err)
	}
	if changed, err := fresh.RewrapKEK(ctx, old, "ada"); changed || err != nil {
		t.Errorf("again: %v, %v", changed, err)
	}
	if changed, err := fresh.RewrapKEK(ctx, old, "nobody"); changed || err != nil {
		t.Errorf("a user without a key: %v, %v", changed, err)
	}
	if _, err := fresh.RewrapKEK(ctx, fresh, "ada"); !errors.Is(err, blue.ErrInvalid) {
		t.Errorf("from itself: %v", err)
	}

	// A wrap that names a KMS key that never wrapped it is damaged.
	wraps, err := w.store.Query(ctx, record.Query{Table: record.Keys, Partition: "dialogue#tea"})
	must(err)
	for _, r := range wraps {
		if r.Key.Item == "head" {
			continue
		}
		forged := r.Clone()
		forged.Attrs["umk"] = record.S("arn:aws:kms:eu-central-1:123456789012:key/other")
		must(w.store.Commit(ctx, []record.Write{{Table: record.Keys, Record: forged, Prev: r.Attrs}}))
	}
	if err := destroy(next.ring("ada", "ada").Open(ctx, "dek#tea#1")); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("a wrong ARN: %v", err)
	}
}
