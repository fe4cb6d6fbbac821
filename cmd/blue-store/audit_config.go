package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/anchor"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/bluestore"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/record"
)

// auditConfig contains the settings of the audit log: its signing key, the keys
// to trust, and the places for checkpoints.
type auditConfig struct {
	key      string // path of the signing key
	keyFrom  string
	trust    string // path of a list of verifier keys, "" if there is none
	anchors  string // folder of this store's checkpoints on this machine
	bucket   string // S3 bucket for checkpoints, "" if there is none
	prefix   string // prefix of the object keys in the bucket
	lockDays int
}

// auditConfig reads the settings of the audit log. No setting turns the log off.
func (a *app) auditConfig(home, store string) (auditConfig, error) {
	c := auditConfig{
		trust:   a.env("BLUE_AUDIT_TRUST"),
		anchors: filepath.Join(home, "anchors", store),
	}
	c.key, c.keyFrom = a.envOr("BLUE_AUDIT_KEY_FILE", filepath.Join(home, "keys", "audit.key"), "home")
	if where := a.env("BLUE_AUDIT_S3"); where != "" {
		path, isS3 := strings.CutPrefix(where, "s3://")
		c.bucket, c.prefix, _ = strings.Cut(path, "/")
		if !isS3 || c.bucket == "" {
			return c, &usageError{"BLUE_AUDIT_S3 does not have the form s3://BUCKET/PREFIX", "for example s3://acme-audit/blue/"}
		}
		if c.prefix != "" && !strings.HasSuffix(c.prefix, "/") {
			c.prefix += "/"
		}
	}
	if days := a.env("BLUE_AUDIT_S3_LOCK_DAYS"); days != "" {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > 36500 {
			return c, usage("BLUE_AUDIT_S3_LOCK_DAYS must be a number of days from 1 to 36500")
		}
		if c.bucket == "" {
			return c, usage("BLUE_AUDIT_S3_LOCK_DAYS is set, but BLUE_AUDIT_S3 is not set")
		}
		c.lockDays = n
	}
	return c, nil
}

// where returns the address of the S3 anchor, or "none".
func (c auditConfig) where() string {
	if c.bucket == "" {
		return "none"
	}
	text := "s3://" + c.bucket + "/" + c.prefix
	if c.lockDays > 0 {
		text += fmt.Sprintf(", locked for %d days", c.lockDays)
	}
	return text
}

// auditLog returns the audit log of an open store. Its first event creates the
// signing key and requests the identity of the caller from AWS.
func (a *app) auditLog(ctx context.Context, c config, records record.Store) (*audit.Log, error) {
	anchors, err := a.auditAnchors(ctx, c)
	if err != nil {
		return nil, err
	}
	opts := &audit.Options{Signer: c.audit.signer, Anchors: anchors, Principals: audit.NewDirectory(records), Tracer: a.tracer()}
	if c.isOnAWS() {
		opts.Caller = c.caller
	}
	return audit.NewLog(records, c.user, opts), nil
}

// signer returns a signer with the signing key, which it creates if there is none.
func (c auditConfig) signer(ctx context.Context) (*checkpoint.Signer, error) {
	return bluestore.AuditKey(c.key)(ctx)
}

// signerOf returns a signer from the seed of its key and destroys the seed.
func signerOf(seed *envelope.Secret) (*checkpoint.Signer, error) {
	defer seed.Destroy()
	b := seed.InsecureBytes()
	defer clear(b)
	return checkpoint.NewSigner(b)
}

// auditAnchors returns the places for checkpoints outside the store.
func (a *app) auditAnchors(ctx context.Context, c config) ([]audit.Anchor, error) {
	anchors := []audit.Anchor{anchor.NewDir(c.audit.anchors)}
	if c.audit.bucket == "" {
		return anchors, nil
	}
	loaded, err := loadAWS(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: reading the AWS configuration for BLUE_AUDIT_S3: %w", blue.ErrUnavailable, err)
	}
	client := s3.NewFromConfig(loaded, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil
		o.HTTPClient = awsclient.HTTPClient(o.HTTPClient)
	})
	return append(anchors, anchor.NewS3(client, c.audit.bucket, &anchor.S3Options{Prefix: c.audit.prefix, LockDays: c.audit.lockDays})), nil
}

// knownAnchors returns the anchors to verify against. The folder on this machine
// is left out if neither it nor the signing key exists, because such a machine
// never wrote to the store. A machine that lost only one of them keeps it.
func (a *app) knownAnchors(ctx context.Context, c config) ([]audit.Anchor, error) {
	anchors, err := a.auditAnchors(ctx, c)
	if err != nil || !isMissing(c.audit.anchors) || !isMissing(c.audit.key) {
		return anchors, err
	}
	a.note("note: this machine has no checkpoint of the store; a shortened log is detected only with the checkpoints of its writers (%s, or BLUE_AUDIT_S3)", c.audit.anchors)
	return anchors[1:], nil
}

// verifiers returns the public keys to trust: the key of this client, the keys in
// the file BLUE_AUDIT_TRUST, and the given ones. A key that only the log itself
// names is never trusted.
func (a *app) verifiers(ctx context.Context, c config, given []string) (note.Verifiers, error) {
	trusted := given
	if c.audit.trust != "" {
		text, err := os.ReadFile(c.audit.trust)
		if err != nil {
			return nil, fmt.Errorf("%w: BLUE_AUDIT_TRUST: %w", blue.ErrInvalid, err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				trusted = append(trusted, line)
			}
		}
	}
	seed, err := localfile.OpenAuditKey(c.audit.key).Load(ctx)
	switch {
	case errors.Is(err, blue.ErrNotFound) || errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		own, err := signerOf(seed)
		if err != nil {
			return nil, err
		}
		trusted = append(trusted, own.VerifierKey())
	}
	return checkpoint.ParseVerifiers(trusted)
}
