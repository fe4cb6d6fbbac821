package anchor

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

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
