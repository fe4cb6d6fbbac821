// Package anchor keeps copies of the checkpoints of audit chains outside the
// store. A writer of the store cannot change these copies, so a verifier detects
// a log that was cut or replaced. [Dir] keeps them in files of another folder or
// disk, [S3] in objects of a bucket, with an object lock if one is configured.
// Both implement audit.Anchor.
//
// The package stores notes durably. Other packages do the rest: audit/checkpoint
// defines and signs a note, audit decides when one is made, and audit/auditor
// compares it with a log. This package checks no signature. It does not keep or
// return a note of another chain or size than requested.
package anchor

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

// maxNote is the number of bytes that are read of a note. It is larger than any
// note that audit/checkpoint accepts.
const maxNote = 64 << 10

// checkChain returns ErrInvalid for a text that is not a chain's id, because it
// could lead to another path or key.
func checkChain(chain string) error {
	if !checkpoint.IsChain(chain) {
		return fmt.Errorf("%w: anchor: %.80q is not the id of a chain", blue.ErrInvalid, chain)
	}
	return nil
}

// checkNote returns the checkpoint of a note to publish. It returns ErrInvalid
// for a note of another chain or size.
func checkNote(chain string, size uint64, note string) (checkpoint.Checkpoint, error) {
	if err := checkChain(chain); err != nil {
		return checkpoint.Checkpoint{}, err
	}
	c, err := checkpoint.Peek(note)
	if err != nil {
		return c, fmt.Errorf("%w: anchor: chain %s: %v", blue.ErrInvalid, chain, err)
	}
	if c.Origin != checkpoint.Origin(chain) || c.Size != size {
		return c, fmt.Errorf("%w: anchor: the note is for %s, size %d, not for chain %s, size %d", blue.ErrInvalid, c.Origin, c.Size, chain, size)
	}
	return c, nil
}

// parseNote returns the checkpoint of a note that was read from a place, a path
// or URL. It returns ErrTampered for a malformed note or one of another chain.
func parseNote(place, chain, note string) (checkpoint.Checkpoint, error) {
	c, err := checkpoint.Peek(note)
	if err != nil {
		return c, fmt.Errorf("anchor: %s: %w", place, err)
	}
	if c.Origin != checkpoint.Origin(chain) {
		return c, tampered(place, "has a note of %s", c.Origin)
	}
	return c, nil
}

// foreign describes a file or object that the anchor did not write.
const foreign = "does not belong to this anchor"

// tampered returns the ErrTampered of a place with unexpected content.
func tampered(place, format string, args ...any) error {
	return fmt.Errorf("%w: anchor: %s %s", blue.ErrTampered, place, fmt.Sprintf(format, args...))
}

// unavailable returns the ErrUnavailable of an error of the file system.
func unavailable(err error) error { return fmt.Errorf("%w: anchor: %w", blue.ErrUnavailable, err) }

// An object is one object of a bucket, or the common prefix of several objects,
// which ends in "/".
type object struct {
	key     string
	version *string // nil without a lock
}

// Chains lists every chain that was ever published to the anchor, in ascending
// order. It requests pages of at most 1,000 objects. An object that the anchor
// did not write yields ErrTampered, and the list continues. ErrUnavailable ends
// the list.
func (a *S3) Chains(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for o, err := range a.list(ctx, a.opts.Prefix, aws.String("/")) {
			if err != nil {
				yield("", err)
				return
			}
			chain, isFolder := strings.CutSuffix(strings.TrimPrefix(o.key, a.opts.Prefix), "/")
			if !isFolder || !checkpoint.IsChain(chain) {
				chain, err = "", tampered(a.place(o.key), foreign)
			}
			if !yield(chain, err) {
				return
			}
		}
	}
}

// list yields the objects below a prefix in ascending order of keys. With a lock
// it yields the oldest version of each, deleted objects included. With a
// delimiter it yields common prefixes. An error is the last value.
func (a *S3) list(ctx context.Context, prefix string, delimiter *string) iter.Seq2[object, error] {
	pages := a.currentPages
	if a.opts.LockDays > 0 {
		pages = a.versionPages
	}
	return func(yield func(object, error) bool) {
		for page, err := range pages(ctx, prefix, delimiter) {
			if err != nil {
				yield(object{}, a.classify(prefix, err))
				return
			}
			slices.SortFunc(page, func(x, y object) int { return strings.Compare(x.key, y.key) })
			for _, o := range page {
				if !yield(o, nil) {
					return
				}
			}
		}
	}
}

// currentPages yields pages of the current objects.
func (a *S3) currentPages(ctx context.Context, prefix string, delimiter *string) iter.Seq2[[]object, error] {
	return func(yield func([]object, error) bool) {
		pages := s3.NewListObjectsV2Paginator(a.objects, &s3.ListObjectsV2Input{Bucket: &a.bucket, Prefix: &prefix, Delimiter: delimiter, MaxKeys: a.page})
		for pages.HasMorePages() {
			out, err := pages.NextPage(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			page := folders(out.CommonPrefixes)
			for _, o := range out.Contents {
				page = append(page, object{key: aws.ToString(o.Key)})
			}
			if !yield(page, nil) {
				return
			}
		}
	}
}

// versionPages yields pages of the oldest version of each object. S3 lists the
// versions of a key newest first, and a page can end between them.
func (a *S3) versionPages(ctx context.Context, prefix string, delimiter *string) iter.Seq2[[]object, error] {
	return func(yield func([]object, error) bool) {
		pages := s3.NewListObjectVersionsPaginator(a.objects, &s3.ListObjectVersionsInput{Bucket: &a.bucket, Prefix: &prefix, Delimiter: delimiter, MaxKeys: a.page})
		var oldest object // the oldest version so far of the last key
		for pages.HasMorePages() {
			out, err := pages.NextPage(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			page := folders(out.CommonPrefixes)
			for _, v := range out.Versions {
				o := object{aws.ToString(v.Key), v.VersionId}
				if oldest.key != "" && oldest.key != o.key {
					page = append(page, oldest)
				}
				oldest = o
			}
			if !pages.HasMorePages() && oldest.key != "" {
				page = append(page, oldest)
			}
			if !yield(page, nil) {
				return
			}
		}
	}
}

func folders(prefixes []types.CommonPrefix) (page []object) {
	for _, p := range prefixes {
		page = append(page, object{key: aws.ToString(p.Prefix)})
	}
	return page
}
