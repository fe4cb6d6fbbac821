package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// checkKMS requests the state of the key from KMS and checks the stored key of
// this user. It creates and opens no key.
func (h *healthCheck) checkKMS(ctx context.Context, s backend) {
	k := h.config.kms
	what, from := h.app.credentials(k.Endpoint)
	h.ok("kms", "%s, as %s (from %s)%s", k.where(), what, from, exposure(k.Endpoint, "keys"))
	p, err := h.app.kmsProvider(ctx, k, s)
	if err != nil {
		h.fail("key", err)
		return
	}
	status, err := p.Status(ctx)
	if err == nil && status.State != "Enabled" {
		deletion := ""
		if !status.Deletion.IsZero() {
			deletion = ", with deletion on " + status.Deletion.UTC().Format(time.DateOnly)
		}
		err = fmt.Errorf("%w: KMS key %s is %s%s", blue.ErrSealed, k.arn, status.State, deletion)
	}
	h.add("key", err, "%s, %s", k.arn, status.State)
	if s == nil {
		return
	}
	own, err := p.StoredKey(ctx, h.config.user)
	switch {
	case err != nil:
		h.fail("user key", err)
	case own.UMK == "":
		h.ok("user key", "not made yet")
	case own.UMK != k.arn:
		h.fail("user key", withHint(fmt.Errorf("%w: the user key is wrapped with another KMS key, %s", blue.ErrSealed, own.UMK), "blue-store keys rewrap"))
	default:
		h.ok("user key", "stored in blue_keys for the tables %s", k.tables)
	}
	if sealed := s.SealedWith(ctx); strings.HasPrefix(sealed, "umk:") {
		h.fail("key", withHint(fmt.Errorf("%w: the store was sealed with the key file %s, but BLUE_KMS_KEY_ARN is set", blue.ErrSealed, sealed), "unset BLUE_KMS_KEY_ARN to use the key file"))
	}
}
