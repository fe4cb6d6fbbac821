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
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/record"
)

// auditConfig is where the audit log's signing key is, whom else to trust, and
// where its checkpoints go.
type auditConfig struct {
	key      string // path of the signing key
	keyFrom  string
	trust    string // path of a list of verifier keys, "" for none
	anchors  string // folder of this store's checkpoints on this machine
	bucket   string // of S3 checkpoints, "" for none
	prefix   string // of their object keys
	lockDays int
}

// auditConfig reads the settings of the audit log. There is none that turns it
// off.
func (a *app) auditConfig(home, store string) (auditConfig, error) {
	c := auditConfig{
		key: filepath.Join(home, "keys", "audit.key"), keyFrom: "home",
		trust:   a.env("BLUE_AUDIT_TRUST"),
		anchors: filepath.Join(home, "anchors", store),
	}
	if path := a.env("BLUE_AUDIT_KEY_FILE"); path != "" {
		c.key, c.keyFrom = path, "BLUE_AUDIT_KEY_FILE"
	}
	if where := a.env("BLUE_AUDIT_S3"); where != "" {
		path, isS3 := strings.CutPrefix(where, "s3://")
		c.bucket, c.prefix, _ = strings.Cut(path, "/")
		if !isS3 || c.bucket == "" {
			return c, &usageError{"BLUE_AUDIT_S3 is not of the form s3://BUCKET/PREFIX", "for example s3://acme-audit/blue/"}
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
			return c, usage("BLUE_AUDIT_S3_LOCK_DAYS is set, and BLUE_AUDIT_S3 is not")
		}
		c.lockDays = n
	}
	return c, nil
}

// where names the S3 anchor, "none" without one.
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

// auditLog returns the audit log of an open store. The signing key is made, and
// AWS asked who is calling, before its first event and not before.
func (a *app) auditLog(ctx context.Context, c config, records record.Store) (*audit.Log, error) {
	anchors, err := a.auditAnchors(ctx, c)
	if err != nil {
		return nil, err
	}
	opts := &audit.Options{Signer: c.audit.signer, Anchors: anchors, Principals: audit.NewDirectory(records), Tracer: a.tracer()}
	if c.asksAWS() {
		opts.Caller = c.caller
	}
	return audit.NewLog(records, c.user, opts), nil
}

// signer reads the signing key, and makes it first if there is none.
func (c auditConfig) signer(ctx context.Context) (*checkpoint.Signer, error) {
	return bluestore.AuditKey(c.key)(ctx)
}

// signerOf signs with a key of which it destroys the seed.
func signerOf(seed *envelope.Secret) (*checkpoint.Signer, error) {
	defer seed.Destroy()
	b := seed.InsecureBytes()
	defer clear(b)
	return checkpoint.NewSigner(b)
}

// auditAnchors lists where checkpoints are kept outside the store.
func (a *app) auditAnchors(ctx context.Context, c config) ([]audit.Anchor, error) {
	anchors := []audit.Anchor{anchor.NewDir(c.audit.anchors)}
	if c.audit.bucket == "" {
		return anchors, nil
	}
	loaded, err := loadAWS(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: the AWS configuration for BLUE_AUDIT_S3: %w", blue.ErrUnavailable, err)
	}
	client := s3.NewFromConfig(loaded, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil })
	return append(anchors, anchor.NewS3(client, c.audit.bucket, &anchor.S3Options{Prefix: c.audit.prefix, LockDays: c.audit.lockDays})), nil
}

// knownAnchors lists where checkpoints are looked for. A machine that never
// wrote to the store, without signing key and anchors, has none of its own; one
// that lost them does not pass for such a machine.
func (a *app) knownAnchors(ctx context.Context, c config) ([]audit.Anchor, error) {
	anchors, err := a.auditAnchors(ctx, c)
	if err != nil || !missing(c.audit.anchors) || !missing(c.audit.key) {
		return anchors, err
	}
	a.note("note: no checkpoint of this store is kept on this machine; with its writers' (%s, or BLUE_AUDIT_S3) a log that was cut shows", c.audit.anchors)
	return anchors[1:], nil
}

// verifiers returns the public keys to trust: this client's own, those of
// BLUE_AUDIT_TRUST, and those given. A log can name its key itself, and is
// never believed about it.
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
