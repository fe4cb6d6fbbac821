package anchor

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

// object is one object, or one folder that a delimiter made: its key then ends
// in "/".
type object struct {
	key     string
	version *string // nil where there is no lock
}

// Chains lists every chain that was ever published here, ascending, a page of
// at most 1000 at a time. What lies among them and is not of this anchor is an
// ErrTampered, after which the list goes on. ErrUnavailable ends it.
func (a *S3) Chains(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for o, err := range a.list(ctx, a.prefix, "/") {
			if err != nil {
				yield("", err)
				return
			}
			chain, folder := strings.CutSuffix(strings.TrimPrefix(o.key, a.prefix), "/")
			if !folder || !checkpoint.IsChain(chain) {
				chain, err = "", odd(a.place(o.key), "is no object of this anchor")
			}
			if !yield(chain, err) {
				return
			}
		}
	}
}

// list yields the objects below a prefix, ascending by key; where there is a
// lock the oldest version of each, deleted ones too. An error is the last.
func (a *S3) list(ctx context.Context, prefix, delimiter string) iter.Seq2[object, error] {
	pages := a.current
	if a.lockDays > 0 {
		pages = a.versions
	}
	return func(yield func(object, error) bool) {
		for page, err := range pages(ctx, prefix, optional(delimiter)) {
			if err != nil {
				yield(object{}, err)
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

// current yields pages of the objects as they are now.
func (a *S3) current(ctx context.Context, prefix string, delimiter *string) iter.Seq2[[]object, error] {
	return func(yield func([]object, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &a.bucket, Prefix: &prefix, Delimiter: delimiter, MaxKeys: a.page}
		for {
			out, err := a.objects.ListObjectsV2(ctx, in)
			if err != nil {
				yield(nil, a.fault(prefix, err))
				return
			}
			var page []object
			for _, o := range out.Contents {
				page = append(page, object{key: aws.ToString(o.Key)})
			}
			for _, f := range out.CommonPrefixes {
				page = append(page, object{key: aws.ToString(f.Prefix)})
			}
			if !yield(page, nil) || !aws.ToBool(out.IsTruncated) {
				return
			}
			in.ContinuationToken = out.NextContinuationToken
		}
	}
}

// versions yields pages of the oldest version of each object. The service
// lists the versions of a key newest first, and may end a page between them.
func (a *S3) versions(ctx context.Context, prefix string, delimiter *string) iter.Seq2[[]object, error] {
	return func(yield func([]object, error) bool) {
		in := &s3.ListObjectVersionsInput{Bucket: &a.bucket, Prefix: &prefix, Delimiter: delimiter, MaxKeys: a.page}
		var open object // the oldest version so far of the last key of a page
		for {
			out, err := a.objects.ListObjectVersions(ctx, in)
			if err != nil {
				yield(nil, a.fault(prefix, err))
				return
			}
			var page []object
			for _, v := range out.Versions {
				o := object{aws.ToString(v.Key), v.VersionId}
				if open.key != "" && open.key != o.key {
					page = append(page, open)
				}
				open = o
			}
			for _, f := range out.CommonPrefixes {
				page = append(page, object{key: aws.ToString(f.Prefix)})
			}
			truncated := aws.ToBool(out.IsTruncated)
			if !truncated && open.key != "" {
				page = append(page, open)
			}
			if !yield(page, nil) || !truncated {
				return
			}
			in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
		}
	}
}

// optional is nil for "": the service tells an empty text from none.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
