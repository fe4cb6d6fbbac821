package anchor

import (
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

// Objects is the part of *s3.Client that an S3 anchor uses. It takes the
// permissions s3:PutObject, s3:GetObject and s3:ListBucket; with a lock also
// s3:PutObjectRetention, s3:GetObjectVersion and s3:ListBucketVersions.
type Objects interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
}

// S3 keeps every note as an object of its own, never written twice:
//
//	{prefix}{chain}/{size:012d}    text/plain; If-None-Match: *
//
// With LockDays each object is locked in mode COMPLIANCE, in which nobody, not
// even the account's root user, can delete or change that version of it before
// the day comes; the bucket needs Object Lock. A lock does not keep anybody
// from hiding a version behind a newer one or behind a delete marker: so where
// there is a lock, the versions are listed, and the oldest of each is the note.
// Without one the protection is what the bucket's policy refuses.
//
// All methods may be called concurrently, and by many processes.
type S3 struct {
	objects  Objects
	bucket   string
	prefix   string
	lockDays int
	now      func() time.Time
	page     *int32 // objects in a page of a list; nil for the service's own, 1000
}

// S3Options are what an S3 anchor may be told. The zero value works.
type S3Options struct {
	Prefix   string           // of every key, as it is: "audit/"; nothing else may lie below it
	LockDays int              // days of 24 hours that an object is locked for; 0 for no lock
	Now      func() time.Time // clock that LockDays start at; time.Now if nil
}

// NewS3 returns the anchor of a bucket. No request is sent before the first
// call of a method.
func NewS3(objects Objects, bucket string, opts *S3Options) *S3 {
	a := &S3{objects: objects, bucket: bucket, now: time.Now}
	if opts != nil {
		a.prefix, a.lockDays = opts.Prefix, opts.LockDays
		if opts.Now != nil {
			a.now = opts.Now
		}
	}
	return a
}

// Publish keeps the note; it is durable when Publish returns. Once more with
// the same checkpoint is no error. ErrConflict if another one of this size is
// kept, ErrInvalid for a note of another chain or size, ErrUnavailable.
func (a *S3) Publish(ctx context.Context, chain string, size uint64, note string) error {
	c, err := checkNote(chain, size, note)
	if err != nil {
		return err
	}
	if a.lockDays < 0 {
		return fmt.Errorf("%w: anchor: a lock of %d days", blue.ErrInvalid, a.lockDays)
	}
	key := a.key(chain, size)
	// S3 answers 409 when another request for the same key is under way: the
	// next try sees what became of it.
	for range 3 {
		if err = a.put(ctx, key, note); awsclient.Code(err) != "ConditionalRequestConflict" {
			break
		}
	}
	switch {
	case err == nil:
		return nil
	case awsclient.Code(err) == "PreconditionFailed":
		return a.same(ctx, chain, key, c)
	default:
		return a.fault(key, err)
	}
}

func (a *S3) put(ctx context.Context, key, note string) error {
	in := &s3.PutObjectInput{
		Bucket: &a.bucket, Key: &key, Body: strings.NewReader(note), ContentLength: aws.Int64(int64(len(note))),
		ContentType: aws.String("text/plain; charset=utf-8"), IfNoneMatch: aws.String("*"),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256, // a locked object must come with a checksum
	}
	if a.lockDays > 0 {
		in.ObjectLockMode = types.ObjectLockModeCompliance
		in.ObjectLockRetainUntilDate = aws.Time(a.now().Add(time.Duration(a.lockDays) * 24 * time.Hour).UTC())
	}
	_, err := a.objects.PutObject(ctx, in)
	return err
}

// same reports whether the object that is there is of the same checkpoint: an
// answer may have been lost, and another key may have signed.
func (a *S3) same(ctx context.Context, chain, key string, c checkpoint.Checkpoint) error {
	kept, err := a.latestOf(ctx, key)
	if err != nil {
		return err
	}
	note, err := a.get(ctx, kept)
	if err != nil {
		return err
	}
	have, err := readNote(a.place(key), chain, note)
	if err != nil {
		return err
	}
	if have != c {
		return fmt.Errorf("%w: anchor: %s holds another checkpoint of size %d", blue.ErrConflict, a.place(key), have.Size)
	}
	return nil
}

// Latest returns the note of the greatest size. ErrNotFound if there is none,
// ErrTampered if it is not the chain's or something else lies among the
// chain's notes, ErrUnavailable.
func (a *S3) Latest(ctx context.Context, chain string) (string, error) {
	if err := checkChain(chain); err != nil {
		return "", err
	}
	newest, err := a.latestOf(ctx, a.prefix+chain+"/")
	if err != nil {
		return "", err
	}
	note, err := a.get(ctx, newest)
	if err != nil {
		return "", err
	}
	c, err := readNote(a.place(newest.key), chain, note)
	if err != nil {
		return "", err
	}
	if a.key(chain, c.Size) != newest.key {
		return "", odd(a.place(newest.key), "holds the note of size %d", c.Size)
	}
	return note, nil
}

// latestOf returns the note of the greatest size whose key has the prefix:
// twelve digits make the order of keys the order of sizes. Directory buckets
// list in no order.
func (a *S3) latestOf(ctx context.Context, prefix string) (object, error) {
	var last object
	for o, err := range a.list(ctx, prefix, "") {
		if err != nil {
			return object{}, err
		}
		if !a.isKey(o.key) {
			return object{}, odd(a.place(o.key), "is no object of this anchor")
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

func (a *S3) get(ctx context.Context, o object) (string, error) {
	out, err := a.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: &a.bucket, Key: &o.key, VersionId: o.version})
	if err != nil {
		return "", a.fault(o.key, err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(io.LimitReader(out.Body, maxNote))
	if err != nil {
		return "", a.fault(o.key, err)
	}
	return string(b), nil
}

func (a *S3) key(chain string, size uint64) string {
	return fmt.Sprintf("%s%s/%012d", a.prefix, chain, size)
}

// isKey reports whether a key is that of a note.
func (a *S3) isKey(key string) bool {
	chain, size, _ := strings.Cut(strings.TrimPrefix(key, a.prefix), "/")
	return checkpoint.IsChain(chain) && len(size) == 12 && strings.Trim(size, "0123456789") == ""
}

func (a *S3) place(key string) string { return "s3://" + a.bucket + "/" + key }

// fault turns an error of the service into ours.
func (a *S3) fault(key string, err error) error {
	class := blue.ErrUnavailable
	if c := awsclient.Code(err); c == "NoSuchKey" || c == "NotFound" || c == "NoSuchVersion" {
		class = blue.ErrNotFound
	}
	return fmt.Errorf("%w: anchor: %s: %w", class, a.place(key), err)
}
