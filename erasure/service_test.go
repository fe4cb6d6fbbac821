package erasure_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/erasure"
	"github.com/superviber/blue-encrypted-store/memory"
)

// service returns the service of a store that a user has open.
func (o *office) service(user string) *erasure.Service {
	return erasure.New(o.as(user).Store, erasure.Options{Notary: func(context.Context) (*erasure.Notary, error) { return o.notary(), nil }})
}

var errDelivery = errors.New("the disk is full")

func refuseDelivery(erasure.Result) error { return errDelivery }

// TestServiceDialogue erases a dialogue. A delivery fails, and the next call
// issues the certificate again. The certificate verifies, and is final later.
func TestServiceDialogue(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, memory.New())
	o.fill(o.as("ada"), tea, 3)
	result, err := o.service("ada").Dialogue(ctx, tea, refuseDelivery)
	if !errors.Is(err, erasure.ErrNoCertificate) || !errors.Is(err, errDelivery) || result.Dialogue.Already || result.Dialogue.Items != 5 {
		t.Fatalf("%+v, %v", result.Dialogue, err)
	}
	delivered := ""
	result, err = o.service("ada").Dialogue(ctx, tea, func(r erasure.Result) error { delivered = r.Note; return nil })
	if err != nil || !result.Dialogue.Already || result.Note != delivered || result.Certificate.Items != 5 || result.User != nil {
		t.Fatalf("%+v, %v", result, err)
	}
	if c, err := o.notary().Verify(ctx, delivered); err != nil || c.State != erasure.Pending {
		t.Errorf("%s, %v", c.State, err)
	}
	if _, err := o.notary().Finalize(ctx, delivered); !errors.Is(err, blue.ErrRefused) {
		t.Errorf("final at once: %v", err)
	}
	o.clock = o.clock.Add(time.Hour)
	final, err := o.notary().Finalize(ctx, delivered)
	if err != nil || o.open(final).State != erasure.Final {
		t.Errorf("an hour later: %v", err)
	}
}

// TestServiceUser erases a user. The name stays in the directory until the
// certificate is delivered, and is deleted then.
func TestServiceUser(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, memory.New())
	o.fill(o.as("ada"), "mine", 1)
	o.fill(o.as("bob"), "theirs", 2)
	hasName := func() bool {
		t.Helper()
		names, err := o.directory.NamesOf(ctx, "bob")
		if err != nil {
			t.Fatal(err)
		}
		return len(names) > 0
	}
	if _, err := o.service("ada").User(ctx, "bob", refuseDelivery); !errors.Is(err, erasure.ErrNoCertificate) || !hasName() {
		t.Fatalf("not delivered: %v, the name is stored: %v", err, hasName())
	}
	note := ""
	result, err := o.service("ada").User(ctx, "bob", func(r erasure.Result) error {
		if !hasName() {
			t.Error("the name was deleted before the delivery")
		}
		note = r.Note
		return nil
	})
	if err != nil || hasName() || len(result.User.Erased) != 1 || !result.User.Erased[0].Already || result.Dialogue != nil {
		t.Fatalf("%+v, %v, the name is stored: %v", result.User, err, hasName())
	}
	if _, err := o.notary().Verify(ctx, note); err != nil {
		t.Error(err)
	}
	if _, err := o.service("ada").User(ctx, "bob", refuseDelivery); !errors.Is(err, blue.ErrNotFound) || errors.Is(err, erasure.ErrNoCertificate) {
		t.Errorf("again: %v", err)
	}
}

// TestServiceNotForgotten: the directory cannot be changed after the delivery.
func TestServiceNotForgotten(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, &forgetful{Store: memory.New()})
	o.fill(o.as("bob"), "theirs", 2)
	delivered := false
	_, err := o.service("ada").User(ctx, "bob", func(erasure.Result) error { delivered = true; return nil })
	if !errors.Is(err, erasure.ErrNotForgotten) || !delivered {
		t.Errorf("%v, delivered: %v", err, delivered)
	}
	if _, err := o.service("ada").User(ctx, "bob", func(erasure.Result) error { return nil }); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestServiceWithoutNotary: no notary can be made, for example because the signing
// key cannot be read.
func TestServiceWithoutNotary(t *testing.T) {
	o := newOffice(t, memory.New())
	o.fill(o.as("ada"), tea, 1)
	broken := erasure.New(o.as("ada").Store, erasure.Options{Notary: func(context.Context) (*erasure.Notary, error) { return nil, errDelivery }})
	if _, err := broken.Dialogue(t.Context(), tea, refuseDelivery); !errors.Is(err, erasure.ErrNoCertificate) || !strings.Contains(err.Error(), "disk") {
		t.Errorf("Dialogue: %v", err)
	}
	if _, err := o.service("ada").Dialogue(t.Context(), "No Id", refuseDelivery); !errors.Is(err, blue.ErrInvalid) || errors.Is(err, erasure.ErrNoCertificate) {
		t.Errorf("a malformed id: %v", err)
	}
}

// TestServiceOfKilled: another process erased the dialogue and was killed before
// it signed its chain. The service verifies the log and signs it.
func TestServiceOfKilled(t *testing.T) {
	o := newOffice(t, memory.New())
	o.fill(o.as("ada"), tea, 1)
	if _, err := o.as("ada").Erase(t.Context(), tea); err != nil { // and no checkpoint
		t.Fatal(err)
	}
	service := erasure.New(o.as("ada").Store, erasure.Options{
		Notary:   func(context.Context) (*erasure.Notary, error) { return o.notary(), nil },
		Progress: func(auditor.Progress) {},
	})
	result, err := service.Dialogue(t.Context(), tea, func(erasure.Result) error { return nil })
	if err != nil || !result.Dialogue.Already || result.Certificate.State != erasure.Pending {
		t.Errorf("%+v, %v", result, err)
	}
}
