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
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/anchor"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/bluestore"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/record"
)

// backend is a record store that the program can open.
type backend = bluestore.Records

// session is an open store.
type session struct {
	config  config
	store   *encrypted.Store
	records backend // the encrypted records, for inspect, doctor and copy
	log     *audit.Log
	keyless bool // keys come from a key file, and there was none when the store was opened

	closed func(error) // receives the result of closing the log
}

// open opens the store that the flags and the environment name. It creates a
// missing SQLite store. Commands that only read use openExisting.
func (a *app) open(ctx context.Context) (*session, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	records, err := a.openRecords(ctx, c, false)
	if err != nil {
		return nil, err
	}
	return a.seal(ctx, c, records)
}

// openRecords opens the record store. There is no fallback if it cannot be
// reached.
func (a *app) openRecords(ctx context.Context, c config, readOnly bool) (backend, error) {
	address, opts := "sqlite:"+c.database, &bluestore.Options{ReadOnly: readOnly}
	if c.kind == kindDynamoDB {
		address = "dynamodb:"
		var err error
		if opts.DynamoDB, err = a.dynamoConfig(ctx); err != nil {
			return nil, err
		}
	}
	return bluestore.OpenRecords(ctx, address, opts)
}

// seal opens the encrypted store over open records. If it fails, it closes the
// records.
func (a *app) seal(ctx context.Context, c config, records backend) (*session, error) {
	provider, err := a.provider(ctx, c, records)
	if err != nil {
		return nil, errors.Join(err, records.Close())
	}
	keyless := !c.kms.isSet() && isMissing(c.umk)
	log, err := a.auditLog(ctx, c, records)
	if err != nil {
		return nil, errors.Join(err, records.Close())
	}
	store := encrypted.New(records, provider, c.user, log, &encrypted.Options{
		Freshness:      freshness.Dir(c.heads),
		AcceptRollback: a.flags.acceptRollback,
		Tracer:         a.tracer,
	})
	return &session{c, store, records, log, keyless, a.logClosed}, nil
}

// isMissing reports whether nothing exists at a path.
func isMissing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// noteNewKey prints a warning in the run that created the key, because local
// data is not durable (RFC 0058, "Documentation requirement").
func (a *app) noteNewKey(s *session) {
	if !s.keyless || isMissing(s.config.umk) {
		return
	}
	s.keyless = false
	a.note("note: a new key was created: %s\n"+
		"warning: local data is not durable. Without this file, no dialogue of the store can be\n"+
		"         decrypted. Copy it to a safe place now.", s.config.umk)
}

// openExisting opens a store. It returns ErrNotFound if there is none.
func (a *app) openExisting(ctx context.Context) (*session, error) {
	c, records, err := a.openStored(ctx, false)
	if err != nil {
		return nil, err
	}
	return a.seal(ctx, c, records)
}

// withStore opens an existing store, calls do, and closes the store.
func (a *app) withStore(ctx context.Context, do func(*session) error) error {
	s, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return do(s)
}

// withDialogue is withStore for a dialogue. It checks the id before it opens the store.
func (a *app) withDialogue(ctx context.Context, name string, do func(*session, blue.DialogueID) error) error {
	id, err := dialogueArgument(name)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(s *session) error { return do(s, id) })
}

// withDialogues is withStore for the named dialogues, or for every dialogue of the
// store if none is named. It checks the ids before it opens the store.
func (a *app) withDialogues(ctx context.Context, names []string, do func(s *session, ids []blue.DialogueID, named bool) error) error {
	ids, err := dialogueArguments(names)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(s *session) (err error) {
		if len(names) == 0 {
			if ids, err = everyDialogue(ctx, s.store, s.config); err != nil {
				return err
			}
		}
		return do(s, ids, len(names) > 0)
	})
}

// checkExists returns ErrNotFound if there is no SQLite store. A missing
// DynamoDB table is reported by the first request.
func (c config) checkExists() error {
	if c.kind == kindSQLite && isMissing(c.database) && isMissing(c.database+".keys") { // if only the keys exist, open reports lost data
		return withHint(notFound("there is no store at %s", c.database), "blue-store demo, or blue-store dialogue create TITLE")
	}
	return nil
}

// closeTimeout is the maximum time for closing the audit log. An interrupt does
// not shorten it, because a chain that is not closed cannot be distinguished
// from a shortened one.
const closeTimeout = 15 * time.Second

// close closes the audit log, the keys and the store. An error of the log also
// changes the exit code, so that commands can defer the call.
func (s *session) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.log.Close(ctx)
	s.closed(err)
	return errors.Join(err, s.store.Close(), s.records.Close())
}

// logClosed stores an error of closing the audit log for withLogError.
func (a *app) logClosed(err error) {
	if err != nil {
		a.closing = errors.Join(a.closing, fmt.Errorf("closing the audit log: %w", err))
	}
}

// withLogError adds the error of closing the audit log to the error of a
// command. It adds nothing if the store is unreachable, because the log is in
// the same store.
func (a *app) withLogError(err error) error {
	if errors.Is(err, blue.ErrUnavailable) {
		return err
	}
	return errors.Join(err, a.closing)
}

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
		text += ", locked for " + display.Count(c.lockDays, "day")
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
	opts := &audit.Options{Signer: c.audit.signer, Anchors: anchors, Principals: audit.NewDirectory(records), Tracer: a.tracer}
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
