package anchor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
)

var buckets atomic.Int64

// newBucket creates a bucket in the local server.
func newBucket(t *testing.T, locked bool) (client *s3.Client, bucket string) {
	t.Helper()
	client = s3.New(s3.Options{
		BaseEndpoint: aws.String(kmstest.Endpoint(t)), Region: "us-east-1", UsePathStyle: true,
		Credentials: kmstest.Credentials("anchor"), HTTPClient: awsclient.HTTPClient(nil),
	})
	bucket = fmt.Sprintf("anchor-%d-%d", time.Now().UnixNano(), buckets.Add(1))
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket, ObjectLockEnabledForBucket: aws.Bool(locked)})
	if err != nil {
		t.Fatal(err)
	}
	return client, bucket
}

// put writes an object without the anchor.
func put(t *testing.T, client *s3.Client, bucket, key, content string) {
	t.Helper()
	if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
}

func TestS3(t *testing.T) {
	for name, opts := range map[string]S3Options{"plain": {}, "prefix": {Prefix: "audit/eu/"}, "locked": {Prefix: "audit/", LockDays: 30}} {
		t.Run(name, func(t *testing.T) {
			testAnchor(t, func(t *testing.T) audit.Anchor {
				client, bucket := newBucket(t, opts.LockDays > 0)
				return NewS3(client, bucket, &opts)
			})
		})
	}
}

func TestS3Object(t *testing.T) {
	for _, days := range []int{0, 400} {
		client, bucket := newBucket(t, days > 0)
		// moto refuses a date in the past, so this clock is near the real time.
		now := time.Now().Truncate(time.Second)
		a := NewS3(client, bucket, &S3Options{Prefix: "audit/", LockDays: days, Now: func() time.Time { return now }})
		chain := chainOf("5f0c")
		note := noteOf(t, chain, 256, "", 1)
		if err := a.Publish(ctx, chain, 256, note); err != nil {
			t.Fatal(err)
		}
		key := "audit/" + chain + "/000000000256"
		out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(out.Body)
		out.Body.Close()
		if string(b) != note || aws.ToString(out.ContentType) != "text/plain; charset=utf-8" {
			t.Errorf("the object holds %q, %s", b, aws.ToString(out.ContentType))
		}
		switch {
		case days == 0 && out.ObjectLockMode != "":
			t.Errorf("locked: %s", out.ObjectLockMode)
		case days > 0 && (out.ObjectLockMode != types.ObjectLockModeCompliance || !aws.ToTime(out.ObjectLockRetainUntilDate).Equal(now.Add(400*24*time.Hour))):
			t.Errorf("lock %s until %v; want COMPLIANCE until %v", out.ObjectLockMode, out.ObjectLockRetainUntilDate, now.Add(400*24*time.Hour))
		}
		if days == 0 {
			continue
		}
		_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key, VersionId: out.VersionId})
		if awsclient.Code(err) != "AccessDenied" {
			t.Errorf("deleting a locked version: %v; want AccessDenied", err)
		}
	}
}

// TestS3HiddenVersions hides a locked version behind a newer version or a delete
// marker, which a lock does not prevent. The anchor must still read it.
func TestS3HiddenVersions(t *testing.T) {
	for name, hide := range map[string]func(t *testing.T, client *s3.Client, bucket, key string){
		"a newer version": func(t *testing.T, client *s3.Client, bucket, key string) {
			for _, content := range []string{"another", noteOf(t, chainOf("5f0c"), 7, "another", 1), ""} {
				put(t, client, bucket, key, content)
			}
		},
		"a delete marker": func(t *testing.T, client *s3.Client, bucket, key string) {
			if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for _, page := range []int32{0, 1, 2, 3} {
			t.Run(fmt.Sprint(name, ", pages of ", page), func(t *testing.T) {
				client, bucket := newBucket(t, true)
				a := NewS3(client, bucket, &S3Options{LockDays: 1})
				if page > 0 {
					a.page = &page
				}
				chain := chainOf("5f0c")
				var note string
				for _, size := range []uint64{5, 6, 7} {
					note = noteOf(t, chain, size, "", 1)
					if err := a.Publish(ctx, chain, size, note); err != nil {
						t.Fatal(err)
					}
					hide(t, client, bucket, a.key(chain, size))
				}
				if got, err := a.Latest(ctx, chain); err != nil || got != note {
					t.Errorf("%q, %v; want %q", got, err, note)
				}
				if got := chains(a); !slices.Equal(got, []string{chain}) {
					t.Errorf("%v; want %v", got, chain)
				}
			})
		}
	}
}

func TestS3Pages(t *testing.T) {
	for _, days := range []int{0, 1} {
		client, bucket := newBucket(t, days > 0)
		a := NewS3(client, bucket, &S3Options{Prefix: "p/", LockDays: days})
		a.page = aws.Int32(3)
		var want []string
		for i := range 8 {
			chain := chainOf(fmt.Sprintf("%x", i))
			want = append(want, chain)
			for size := range uint64(i%3 + 1) {
				if err := a.Publish(ctx, chain, size+1, noteOf(t, chain, size+1, "", 1)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := chains(a); !slices.Equal(got, want) {
			t.Errorf("lock %d: %v; want %v", days, got, want)
		}
		for size := range uint64(11) {
			if err := a.Publish(ctx, want[3], size+1, noteOf(t, want[3], size+1, "", 1)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := a.Latest(ctx, want[3]); err != nil || got != noteOf(t, want[3], 11, "", 1) {
			t.Errorf("lock %d: %q, %v; want the note of size 11", days, got, err)
		}
		counted := &counting{Objects: client}
		a.objects = counted
		for range a.Chains(ctx) {
			break
		}
		if counted.lists != 1 {
			t.Errorf("lock %d: the first chain took %d lists", days, counted.lists)
		}
	}
}

type counting struct {
	Objects
	lists int
}

func (c *counting) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input, opts ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	c.lists++
	return c.Objects.ListObjectsV2(ctx, in, opts...)
}

func (c *counting) ListObjectVersions(ctx context.Context, in *s3.ListObjectVersionsInput, opts ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error) {
	c.lists++
	return c.Objects.ListObjectVersions(ctx, in, opts...)
}

func TestS3OddObjects(t *testing.T) {
	for _, days := range []int{0, 1} {
		client, bucket := newBucket(t, days > 0)
		a := NewS3(client, bucket, &S3Options{Prefix: "audit/", LockDays: days})
		chain, other := chainOf("5f0c"), chainOf("5f0d")
		for _, c := range []string{chain, other} {
			if err := a.Publish(ctx, c, 7, noteOf(t, c, 7, "", 1)); err != nil {
				t.Fatal(err)
			}
		}
		put(t, client, bucket, "elsewhere", "")
		put(t, client, bucket, "audit/README", "")
		put(t, client, bucket, "audit/zz/000000000001", "")
		got := chains(a)
		want := []string{chain, other}
		if len(got) != 4 || !slices.Equal(got[:2], want) && !slices.Equal(got[1:3], want) {
			t.Errorf("lock %d: %v; want the two chains and two errors", days, got)
		}
		for _, name := range []string{"audit/README", "audit/zz/"} {
			if !strings.Contains(strings.Join(got, "\n"), "s3://"+bucket+"/"+name+" does not belong to this anchor") {
				t.Errorf("lock %d: %s is not named in %v", days, name, got)
			}
		}
		for key, content := range map[string]string{
			a.key(chain, 8): "no note", a.key(other, 8): noteOf(t, chain, 8, "", 1),
		} {
			put(t, client, bucket, key, content)
		}
		for _, c := range []string{chain, other} {
			if note, err := a.Latest(ctx, c); !errors.Is(err, blue.ErrTampered) {
				t.Errorf("lock %d: %q, %v; want ErrTampered", days, note, err)
			}
			if err := a.Publish(ctx, c, 8, noteOf(t, c, 8, "", 1)); !errors.Is(err, blue.ErrTampered) {
				t.Errorf("lock %d: published over it: %v; want ErrTampered", days, err)
			}
		}
		third := chainOf("7")
		put(t, client, bucket, a.key(third, 9), noteOf(t, third, 8, "", 1))
		if note, err := a.Latest(ctx, third); !errors.Is(err, blue.ErrTampered) {
			t.Errorf("lock %d: another size: %q, %v; want ErrTampered", days, note, err)
		}
		fourth := chainOf("8")
		if err := a.Publish(ctx, fourth, 7, noteOf(t, fourth, 7, "", 1)); err != nil {
			t.Fatal(err)
		}
		put(t, client, bucket, "audit/"+fourth+"/0", "") // before all notes
		if note, err := a.Latest(ctx, fourth); !errors.Is(err, blue.ErrTampered) {
			t.Errorf("lock %d: an odd key: %q, %v; want ErrTampered", days, note, err)
		}
	}
}

// faulty is a client whose first puts return errors, with or without effect.
type faulty struct {
	Objects
	errs []error
	done bool // the put takes effect
	puts int
}

func (f *faulty) PutObject(ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	f.puts++
	if len(f.errs) == 0 {
		return f.Objects.PutObject(ctx, in, opts...)
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	if f.done {
		if _, err := f.Objects.PutObject(ctx, in, opts...); err != nil {
			return nil, err
		}
	}
	return nil, err
}

func TestS3Faults(t *testing.T) {
	busy := &smithy.GenericAPIError{Code: "ConditionalRequestConflict", Message: "busy"}
	lost := errors.New("connection reset by peer")
	for _, c := range []struct {
		name string
		errs []error
		done bool
		want error
		puts int
	}{
		{"busy twice", []error{busy, busy}, false, nil, 3},
		{"busy for ever", []error{busy, busy, busy, busy}, false, blue.ErrUnavailable, 3},
		{"busy with our own", []error{busy}, true, nil, 2},
		{"no connection", []error{lost}, false, blue.ErrUnavailable, 1},
		{"an answer lost", []error{lost}, true, blue.ErrUnavailable, 1},
		{"denied", []error{&smithy.GenericAPIError{Code: "AccessDenied"}}, false, blue.ErrUnavailable, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, bucket := newBucket(t, false)
			f := &faulty{Objects: client, errs: c.errs, done: c.done}
			a := NewS3(f, bucket, nil)
			chain := chainOf("5")
			err := a.Publish(ctx, chain, 7, noteOf(t, chain, 7, "", 1))
			if !errors.Is(err, c.want) || f.puts != c.puts {
				t.Errorf("%v after %d puts; want %v after %d", err, f.puts, c.want, c.puts)
			}
			f.errs = nil
			if err := a.Publish(ctx, chain, 7, noteOf(t, chain, 7, "", 1)); err != nil {
				t.Errorf("the next try: %v", err)
			}
		})
	}
}

func TestS3Unavailable(t *testing.T) {
	client, bucket := newBucket(t, false)
	chain := chainOf("5")
	note := noteOf(t, chain, 7, "", 1)
	gone := NewS3(client, bucket+"-gone", nil)
	if err := gone.Publish(ctx, chain, 7, note); !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("Publish: %v; want ErrUnavailable", err)
	}
	if _, err := gone.Latest(ctx, chain); !errors.Is(err, blue.ErrUnavailable) || errors.Is(err, blue.ErrNotFound) {
		t.Errorf("Latest: %v; want ErrUnavailable", err)
	}
	seen := 0
	for _, err := range gone.Chains(ctx) {
		if seen++; !errors.Is(err, blue.ErrUnavailable) {
			t.Errorf("Chains: %v; want ErrUnavailable", err)
		}
	}
	if seen != 1 {
		t.Errorf("Chains: %d answers; want one error", seen)
	}
	// A bucket without Object Lock refuses an object with a lock.
	if err := NewS3(client, bucket, &S3Options{LockDays: 1}).Publish(ctx, chain, 7, note); !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("a lock where there is none: %v; want ErrUnavailable", err)
	}
	if err := NewS3(client, bucket, &S3Options{LockDays: -1}).Publish(ctx, chain, 7, note); !errors.Is(err, blue.ErrInvalid) {
		t.Errorf("a lock of -1 days: %v; want ErrInvalid", err)
	}
}

// TestFIPS checks that the anchors work in FIPS 140-3 mode.
func TestFIPS(t *testing.T) {
	endpoint := kmstest.Endpoint(t)
	cmd := exec.Command(os.Args[0], "-test.run=^(TestDirLayout|TestS3Object)$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "BLUE_TEST_KMS_ENDPOINT="+endpoint)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "\n--- PASS: Test") != 2 {
		t.Fatalf("%v\n%s", err, out)
	}
}
