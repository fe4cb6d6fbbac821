package anchor

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
)

// Objects is the part of *s3.Client that an S3 anchor uses. It needs the
// permissions s3:PutObject, s3:GetObject and s3:ListBucket. With a lock it also
// needs s3:PutObjectRetention, s3:GetObjectVersion and s3:ListBucketVersions.
type Objects interface {
	// PutObject stores a note, with If-None-Match and the lock.
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	// GetObject reads one version of a note.
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	// ListObjectsV2 lists the notes of a bucket without a lock.
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	// ListObjectVersions lists all versions in a bucket with a lock.
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
}

// An S3 keeps each note as an object of its own, which is never written twice:
//
//	{prefix}{chain}/{size:012d}    text/plain; If-None-Match: *
//
// With LockDays each object is locked in mode COMPLIANCE (Amazon S3 User Guide,
// "Locking objects with Object Lock"). In this mode not even the root user of
// the account can delete or change that version before the lock ends. The bucket
// needs Object Lock. A lock does not prevent a newer version or a delete marker
// for the same key. So with a lock, the anchor lists versions and reads the
// oldest one of each key. Without a lock, the policy of the bucket must refuse
// changes.
//
// All methods may be called concurrently, and by many processes.
type S3 struct {
	objects Objects
	bucket  string
	opts    S3Options
	page    *int32 // number of objects in a page of a list, nil for the default of S3, 1,000
}

// S3Options configure an S3 anchor. The zero value is valid.
type S3Options struct {
	Prefix   string           // of every key, such as "audit/". The bucket must have no other objects below it
	LockDays int              // days of 24 hours that an object is locked for, 0 for no lock
	Now      func() time.Time // clock from which LockDays count, time.Now if nil
}

// NewS3 returns the anchor of a bucket. opts may be nil. NewS3 sends no request.
func NewS3(objects Objects, bucket string, opts *S3Options) *S3 {
	a := &S3{objects: objects, bucket: bucket, opts: *cmp.Or(opts, new(S3Options))}
	if a.opts.Now == nil {
		a.opts.Now = time.Now
	}
	return a
}

// Publish keeps the note. It is durable when Publish returns. Publishing the
// same checkpoint again is not an error. Publish returns ErrConflict if another
// checkpoint of this size is kept, ErrInvalid if the note is of another chain or
// size or LockDays is negative, ErrTampered if the existing object is not a
// note, and ErrUnavailable for other errors of S3.
func (a *S3) Publish(ctx context.Context, chain string, size uint64, note string) error {
	c, err := checkNote(chain, size, note)
	if err != nil {
		return err
	}
	if a.opts.LockDays < 0 {
		return fmt.Errorf("%w: anchor: a lock of %d days", blue.ErrInvalid, a.opts.LockDays)
	}
	key := a.key(chain, size)
	// S3 answers 409 while another request for the same key is in progress. The
	// next attempt sees the result of that request.
	for range 3 {
		if err = a.put(ctx, key, note); awsclient.Code(err) != "ConditionalRequestConflict" {
			break
		}
	}
	if err == nil {
		return nil
	}
	if awsclient.Code(err) != "PreconditionFailed" {
		return a.classify(key, err)
	}
	// An object exists. It can be from an earlier attempt whose response was
	// lost, or the same checkpoint signed by another key.
	kept, err := a.newest(ctx, key)
	if err != nil {
		return err
	}
	_, have, err := a.get(ctx, chain, kept)
	if err == nil && have != c {
		err = fmt.Errorf("%w: anchor: %s has another checkpoint of size %d", blue.ErrConflict, a.place(key), have.Size)
	}
	return err
}

func (a *S3) put(ctx context.Context, key, note string) error {
	in := &s3.PutObjectInput{
		Bucket: &a.bucket, Key: &key, Body: strings.NewReader(note), ContentLength: aws.Int64(int64(len(note))),
		ContentType: aws.String("text/plain; charset=utf-8"), IfNoneMatch: aws.String("*"),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256, // S3 requires a checksum for a locked object
	}
	if a.opts.LockDays > 0 {
		in.ObjectLockMode = types.ObjectLockModeCompliance
		in.ObjectLockRetainUntilDate = aws.Time(a.opts.Now().Add(time.Duration(a.opts.LockDays) * 24 * time.Hour).UTC())
	}
	_, err := a.objects.PutObject(ctx, in)
	return err
}

// Latest returns the note of the largest size. It returns ErrNotFound if there
// is none, ErrTampered if the object is not the note of its key or if other
// objects exist below the chain's prefix, ErrInvalid if chain is not a chain's
// id, and ErrUnavailable for other errors of S3.
func (a *S3) Latest(ctx context.Context, chain string) (string, error) {
	if err := checkChain(chain); err != nil {
		return "", err
	}
	newest, err := a.newest(ctx, a.opts.Prefix+chain+"/")
	if err != nil {
		return "", err
	}
	note, c, err := a.get(ctx, chain, newest)
	if err != nil {
		return "", err
	}
	if a.key(chain, c.Size) != newest.key {
		return "", anchorTampered(a.place(newest.key), "has the note of size %d", c.Size)
	}
	return note, nil
}

// newest returns the object of the largest size whose key has the prefix. The
// order of keys is the order of sizes, because a size has twelve digits. It
// compares all keys, because directory buckets list them in no order.
func (a *S3) newest(ctx context.Context, prefix string) (object, error) {
	var last object
	for o, err := range a.listNotes(ctx, prefix, nil) {
		if err != nil {
			return object{}, err
		}
		chain, size, _ := strings.Cut(strings.TrimPrefix(o.key, a.opts.Prefix), "/")
		if !checkpoint.IsChain(chain) || len(size) != 12 || strings.Trim(size, "0123456789") != "" {
			return object{}, anchorTampered(a.place(o.key), foreign)
		}
		if o.key > last.key {
			last = o
		}
	}
	if last.key == "" {
		return object{}, fmt.Errorf("%w: anchor: no checkpoint below %s", blue.ErrNotFound, a.place(prefix))
	}
	return last, nil
}

// get returns the note of an object and its checkpoint.
func (a *S3) get(ctx context.Context, chain string, o object) (string, checkpoint.Checkpoint, error) {
	out, err := a.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: &a.bucket, Key: &o.key, VersionId: o.version})
	if err != nil {
		return "", checkpoint.Checkpoint{}, a.classify(o.key, err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(io.LimitReader(out.Body, maxNote))
	if err != nil {
		return "", checkpoint.Checkpoint{}, a.classify(o.key, err)
	}
	c, err := parseNote(a.place(o.key), chain, string(b))
	return string(b), c, err
}

func (a *S3) key(chain string, size uint64) string {
	return fmt.Sprintf("%s%s/%012d", a.opts.Prefix, chain, size)
}

func (a *S3) place(key string) string { return "s3://" + a.bucket + "/" + key }

// classify returns an error of S3 as ErrNotFound or ErrUnavailable.
func (a *S3) classify(key string, err error) error {
	class := blue.ErrUnavailable
	if c := awsclient.Code(err); c == "NoSuchKey" || c == "NotFound" || c == "NoSuchVersion" {
		class = blue.ErrNotFound
	}
	return fmt.Errorf("%w: anchor: %s: %w", class, a.place(key), err)
}
