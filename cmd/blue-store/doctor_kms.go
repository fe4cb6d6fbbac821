package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// kms asks KMS for the state of the key, and looks whether this user has one
// below it. It makes none and opens none.
func (x *examination) kms(ctx context.Context, s backend) {
	k := x.config.kms
	note := ""
	if k.IsExposed() {
		note = "; plain http to another host, allowed by --insecure-endpoint: keys can be read on the way"
	}
	what, from := x.app.credentials(k.Endpoint)
	x.fine("kms", "%s, as %s (from %s)%s", k.where(), what, from, note)
	p, err := x.app.kmsProvider(ctx, k, s)
	if err != nil {
		x.wrong("key", err)
		return
	}
	status, err := p.Status(ctx)
	switch {
	case err != nil:
		x.wrong("key", err)
	case status.State != "Enabled":
		x.wrong("key", fmt.Errorf("%w: KMS key %s is %s%s", blue.ErrSealed, k.arn, status.State, until(status.Deletion)))
	default:
		x.fine("key", "%s, %s", k.arn, status.State)
	}
	if s == nil {
		return
	}
	own, err := p.StoredKey(ctx, x.config.user)
	switch {
	case err != nil:
		x.wrong("user key", err)
	case own.UMK == "":
		x.fine("user key", "not made yet")
	case own.UMK != k.arn:
		x.wrong("user key", withHint(fmt.Errorf("%w: it lies under another KMS key, %s", blue.ErrSealed, own.UMK), "blue-store keys rewrap"))
	default:
		x.fine("user key", "stored in blue_keys for the tables %s", k.tables)
	}
	if sealed := s.SealedWith(ctx); strings.HasPrefix(sealed, "umk:") {
		x.wrong("key", withHint(fmt.Errorf("%w: the store was sealed with the key file %s, and BLUE_KMS_KEY_ARN is set", blue.ErrSealed, sealed), "unset BLUE_KMS_KEY_ARN to use the key file"))
	}
}

func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", and will be gone on " + t.UTC().Format(time.DateOnly)
}
