package awskms_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmsfault"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

const (
	decrypt  = "kms:Decrypt"
	encrypt  = "kms:Encrypt"
	generate = "kms:GenerateDataKeyWithoutPlaintext"
)

// refusals is each trouble of KMS and its exact reason (security.md §4, Keys).
// text is what the message says after "KMS key ARN: ".
var refusals = []struct {
	name   string
	action string
	answer kmsfault.Answer
	want   awskms.Reason
	text   string
	tries  int
}{
	{"denied", decrypt, kmsfault.Denied, awskms.Denied, "access denied: AccessDeniedException: User: ada is not authorized to perform: kms:Decrypt on resource: ARN because no identity-based policy allows the kms:Decrypt action", 1},
	{"denied to make", generate, kmsfault.Denied, awskms.Denied, "access denied: AccessDeniedException: User: ada is not authorized to perform: kms:GenerateDataKeyWithoutPlaintext on resource: ARN because no identity-based policy allows the kms:GenerateDataKeyWithoutPlaintext action", 1},
	{"denied to grant", encrypt, kmsfault.Denied, awskms.Denied, "access denied: AccessDeniedException: User: ada is not authorized to perform: kms:Encrypt on resource: ARN because no identity-based policy allows the kms:Encrypt action", 1},
	{"unknown credentials", decrypt, kmsfault.NoCredentials, awskms.Credentials, "the credentials are missing, wrong or expired: UnrecognizedClientException: The security token included in the request is invalid.", 1},
	{"expired credentials", decrypt, kmsfault.Expired, awskms.Credentials, "the credentials are missing, wrong or expired: ExpiredTokenException: The security token included in the request is expired", 1},
	{"disabled", decrypt, kmsfault.Disabled, awskms.Disabled, "the key is disabled: DisabledException: ARN is disabled.", 1},
	{"disabled, making", generate, kmsfault.Disabled, awskms.Disabled, "the key is disabled: DisabledException: ARN is disabled.", 1},
	{"disabled, granting", encrypt, kmsfault.Disabled, awskms.Disabled, "the key is disabled: DisabledException: ARN is disabled.", 1},
	{"pending deletion", decrypt, kmsfault.PendingDeletion, awskms.PendingDeletion, "the key is pending deletion: KMSInvalidStateException: ARN is pending deletion.", 1},
	{"pending import", decrypt, kmsfault.PendingImport, awskms.Unusable, "the key is of a kind, or in a state, that cannot do this: KMSInvalidStateException: ARN is pending import.", 1},
	{"a key for signatures", decrypt, kmsfault.WrongUsage, awskms.Unusable, "the key is of a kind, or in a state, that cannot do this: InvalidKeyUsageException: ARN key usage is SIGN_VERIFY which is not valid for kms:Decrypt.", 1},
	{"no such key", decrypt, kmsfault.NotFound, awskms.NotFound, "there is no such key in this region and account: NotFoundException: Key 'ARN' does not exist", 1},
	{"wrong region", decrypt, kmsfault.WrongRegion, awskms.NotFound, "there is no such key in this region and account: NotFoundException: Invalid arn eu-west-9", 1},
	{"wrong context", decrypt, kmsfault.InvalidCiphertext, awskms.WrongContext, "KMS does not open it under this encryption context, or it is damaged: InvalidCiphertextException", 1},
	{"wrong key", decrypt, kmsfault.IncorrectKey, awskms.WrongKey, "it was made under another KMS key: IncorrectKeyException: The key ID in the request does not identify a CMK that can perform this operation.", 1},
	{"throttled", decrypt, kmsfault.Throttled, awskms.Throttled, "KMS is throttling: ThrottlingException: Rate exceeded (asked 3 times)", 3},
	{"throttled, making", generate, kmsfault.Throttled, awskms.Throttled, "KMS is throttling: ThrottlingException: Rate exceeded (asked 3 times)", 3},
	{"internal error", decrypt, kmsfault.Internal, awskms.Unavailable, "KMS does not answer: KMSInternalException (asked 3 times)", 3},
	{"dependency timeout", decrypt, kmsfault.Dependency, awskms.Unavailable, "KMS does not answer: DependencyTimeoutException (asked 3 times)", 3},
	{"key unavailable", decrypt, kmsfault.KeyUnavailable, awskms.Unavailable, "KMS does not answer: KeyUnavailableException (asked 3 times)", 3},
	{"no answer", decrypt, kmsfault.Slow, awskms.Unavailable, "KMS does not answer: no answer within 100ms (asked 3 times)", 3},
	{"cut off", decrypt, kmsfault.Cut, awskms.Unavailable, "KMS does not answer: its answer was cut off (asked 3 times)", 3},
	{"cut off, making", generate, kmsfault.Cut, awskms.Unavailable, "KMS does not answer: its answer was cut off (asked 3 times)", 3},
	{"connection closed", decrypt, kmsfault.Reset, awskms.Unavailable, "KMS does not answer: EOF (asked 3 times)", 3},
	{"a gateway's page", decrypt, kmsfault.BadGateway, awskms.Unavailable, "KMS does not answer: its answer of status 502 cannot be read (asked 3 times)", 3},
	{"a page", decrypt, kmsfault.Garbage, awskms.Malformed, "KMS answered something else than it should: it cannot be read", 1},
	{"an unknown error", decrypt, kmsfault.Unheard, awskms.Malformed, "KMS answered something else than it should: TeapotException: short and stout", 1},
	{"nothing in it", decrypt, kmsfault.Empty, awskms.Malformed, `KMS answered something else than it should: KMS used the key ""`, 1},
	{"31 bytes", decrypt, kmsfault.Short, awskms.Malformed, "KMS answered something else than it should: a key of 31 bytes; 32 are due", 1},
	{"33 bytes", decrypt, kmsfault.Long, awskms.Malformed, "KMS answered something else than it should: a key of 33 bytes; 32 are due", 1},
	{"zeros", decrypt, kmsfault.Zeros, awskms.Malformed, "KMS answered something else than it should: a key of zeros", 1},
	{"another key's answer", decrypt, kmsfault.OtherKey, awskms.Malformed, `KMS answered something else than it should: KMS used the key "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000"`, 1},
	{"another key's answer, making", generate, kmsfault.OtherKey, awskms.Malformed, `KMS answered something else than it should: KMS used the key "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000"`, 1},
	{"a huge ciphertext", generate, kmsfault.BigBlob, awskms.Malformed, "KMS answered something else than it should: a ciphertext of 6145 bytes", 1},
	{"a tiny ciphertext", encrypt, kmsfault.TinyBlob, awskms.Malformed, "KMS answered something else than it should: a ciphertext of 60 bytes", 1},
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	made(t, w)
	seen := map[awskms.Reason]bool{awskms.BadARN: true} // TestARN
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			seen[c.want] = true
			w.layer.Clear()
			w.layer.Play(kmsfault.Fault{Action: c.action, Answer: c.answer})
			p := w.provider("ada", &awskms.Options{Timeout: 300 * time.Millisecond})
			if c.answer != kmsfault.Slow {
				p = w.provider("ada", nil)
			}
			before := w.layer.Calls()[c.action]
			err := ask(t, p, c.action)
			e, ok := errors.AsType[*awskms.Error](err)
			if !ok {
				t.Fatalf("%v; want an *awskms.Error", err)
			}
			kind := "cannot open the seal: "
			if c.want == awskms.Denied {
				kind = "cannot open the seal: denied: "
			}
			got := e.Error()
			if c.answer == kmsfault.Slow { // how often depends on the machine; TestSlow counts by a clock of its own
				got, _, _ = strings.Cut(got, " (asked ")
				c.text, _, _ = strings.Cut(c.text, " (asked ")
			}
			want := kind + c.action + " with KMS key " + w.arn + ": " + strings.ReplaceAll(c.text, "ARN", w.arn)
			if e.Reason != c.want || got != want || e.KeyARN != w.arn || e.Action != c.action {
				t.Errorf("%q: %s\nwant %q: %s", e.Reason, e, c.want, want)
			}
			if !errors.Is(err, blue.ErrSealed) || errors.Is(err, keys.ErrDenied) != (c.want == awskms.Denied) ||
				errors.Is(err, blue.ErrTampered) || errors.Is(err, blue.ErrUnavailable) || errors.Is(err, context.Canceled) {
				t.Errorf("of another kind: %v", err)
			}
			if n := w.layer.Calls()[c.action] - before; n != c.tries && c.answer != kmsfault.Slow || e.Transient() != (c.tries > 1) {
				t.Errorf("asked %d times, transient %v; want %d", n, e.Transient(), c.tries)
			}
			if e.Hint() == "" {
				t.Error("no hint")
			}
		})
	}
	for _, reason := range []awskms.Reason{
		awskms.Denied, awskms.Credentials, awskms.Disabled, awskms.PendingDeletion, awskms.Unusable, awskms.NotFound, awskms.BadARN,
		awskms.WrongContext, awskms.WrongKey, awskms.Throttled, awskms.Unavailable, awskms.Malformed,
	} {
		if !seen[reason] {
			t.Errorf("no case of %q", reason)
		}
	}
	if _, err := w.store.Get(ctx, record.Keys, kekKey("bob")); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("a refused bob has a key, or %v", err)
	}
	w.layer.Clear()
	if err := derive(t, w.provider("ada", nil), "ada"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// ask makes the provider use an action.
func ask(t *testing.T, p *awskms.Provider, action string) error {
	switch action {
	case decrypt:
		return derive(t, p, "ada")
	case generate:
		return p.MakeKEK(ctx, umkOf(t, p), "bob")
	}
	wrapped, err := p.Grant(ctx, keys.Binding{User: "bob", Dialogue: "tea", Version: 1}, envelope.GenerateSecret())
	if wrapped != nil {
		t.Errorf("a wrap beside %v", err)
	}
	return err
}

// TestPassing: what passes is not seen; what does not is not repeated.
func TestPassing(t *testing.T) {
	w := newWorld(t)
	made(t, w)
	for _, answer := range []kmsfault.Answer{kmsfault.Throttled, kmsfault.Internal, kmsfault.Cut, kmsfault.Reset, kmsfault.BadGateway} {
		w.layer.Play(kmsfault.Fault{Action: decrypt, Times: 2, Answer: answer})
		if err := derive(t, w.provider("ada", nil), "ada"); err != nil {
			t.Errorf("%s, twice: %v", answer, err)
		}
	}
}

// TestDeletionDate: where KMS says when a key will be gone, so does the error.
func TestDeletionDate(t *testing.T) {
	w := newWorld(t)
	p := made(t, w)
	out, err := kmstest.Client(kmstest.Endpoint(t), "admin").ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: aws.String(w.arn[strings.LastIndex(w.arn, "/")+1:]), // moto takes no ARN here
		PendingWindowInDays: aws.Int32(7)})
	if err != nil {
		t.Fatal(err)
	}
	w.layer.Play(kmsfault.Fault{Action: decrypt, Answer: kmsfault.PendingDeletion})
	err = derive(t, p, "ada")
	if e, ok := errors.AsType[*awskms.Error](err); !ok || !e.Deletion.Equal(*out.DeletionDate) || !strings.Contains(err.Error(), "pending deletion on "+out.DeletionDate.UTC().Format("2006-01-02")+": ") {
		t.Errorf("%v; want the date %s", err, out.DeletionDate)
	}
	status, err := p.Status(ctx)
	if err != nil || status.State != "PendingDeletion" || !status.Deletion.Equal(*out.DeletionDate) || status.KeyARN != w.arn {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestGrantRefused: a granted wrap that KMS does not open is damage; a refusal
// of KMS is none.
func TestGrantRefused(t *testing.T) {
	w := newWorld(t)
	p := w.provider("bob", nil)
	b := keys.Binding{User: "bob", Dialogue: "tea", Version: 1}
	wrapped, err := p.Grant(ctx, b, envelope.GenerateSecret())
	if err != nil {
		t.Fatal(err)
	}
	for answer, tampered := range map[kmsfault.Answer]bool{
		kmsfault.InvalidCiphertext: true, kmsfault.Denied: false, kmsfault.Disabled: false, kmsfault.IncorrectKey: false, kmsfault.Short: false, kmsfault.Throttled: false,
	} {
		w.layer.Clear()
		w.layer.Play(kmsfault.Fault{Action: decrypt, Answer: answer})
		secret, err := p.UnwrapDEK(ctx, nil, b, wrapped)
		if secret != nil || errors.Is(err, blue.ErrTampered) != tampered || errors.Is(err, blue.ErrSealed) == tampered {
			t.Errorf("%s: %v; tampered: %v", answer, err, tampered)
		}
	}
	w.layer.Clear()
	before := w.layer.Calls()[decrypt]
	if _, err := p.UnwrapDEK(ctx, nil, b, make(keys.Wrapped, 6145)); !errors.Is(err, blue.ErrTampered) || w.layer.Calls()[decrypt] != before {
		t.Errorf("6145 bytes: %v", err)
	}
}

const someARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// silent never answers; it counts, and remembers how long it was asked.
type silent struct {
	awskms.API
	calls int
}

func (s *silent) Decrypt(ctx context.Context, _ *kms.DecryptInput, _ ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	s.calls++
	<-ctx.Done()
	return nil, &smithy.OperationError{ServiceID: "KMS", OperationName: "Decrypt", Err: ctx.Err()}
}

// TestSlow: a KMS that says nothing costs the timeout and no more.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &silent{}
		p := offline(t, api)
		start := time.Now()
		err := derive(t, p, "ada")
		if e, ok := errors.AsType[*awskms.Error](err); !ok || e.Reason != awskms.Unavailable || !strings.Contains(err.Error(), "no answer within 5s") {
			t.Errorf("%v", err)
		}
		if took := time.Since(start); took > 15*time.Second || api.calls != 3 {
			t.Errorf("took %s with %d calls", took, api.calls)
		}
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		kek, err := p.DeriveKEK(gone, umkOf(t, p), "ada")
		if _, ours := errors.AsType[*awskms.Error](err); kek != nil || ours || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("the caller's deadline: %v after %s", err, time.Since(start))
		}
	})
}

// offline is a provider whose store holds a key of ada.
func offline(t testing.TB, api awskms.API) *awskms.Provider {
	t.Helper()
	store := memory.New()
	put(t, store, record.Record{Key: kekKey("ada"), Attrs: record.Attrs{
		"wrapped": record.B(make([]byte, 96)), "umk": record.S(someARN), "user": record.S("ada"), "tables": record.S("blue"), "epoch": record.N(1),
	}})
	p, err := awskms.New(someARN, api, store, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fixed answers with the bytes it is given, and lets a test look at them later.
type fixed struct {
	awskms.API
	plain     []byte
	encrypted []byte
	retries   int
}

func (f *fixed) Decrypt(_ context.Context, _ *kms.DecryptInput, opts ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	var o kms.Options
	for _, set := range opts {
		set(&o)
	}
	f.retries = o.Retryer.MaxAttempts()
	return &kms.DecryptOutput{KeyId: aws.String(someARN), Plaintext: f.plain}, nil
}

func (f *fixed) Encrypt(_ context.Context, in *kms.EncryptInput, _ ...func(*kms.Options)) (*kms.EncryptOutput, error) {
	f.encrypted = in.Plaintext
	return &kms.EncryptOutput{KeyId: aws.String(someARN), CiphertextBlob: make([]byte, 96)}, nil
}

// TestPlaintextsAreZeroed: whatever KMS returned is overwritten, taken or not;
// and the client repeats nothing on its own.
func TestPlaintextsAreZeroed(t *testing.T) {
	for _, n := range []int{0, 31, 32, 33, 4096} {
		api := &fixed{plain: slices.Repeat([]byte{7}, n)}
		if err := derive(t, offline(t, api), "ada"); (err == nil) != (n == 32) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if slices.Contains(api.plain, 7) {
			t.Errorf("a plaintext of %d bytes is left", n)
		}
		if api.retries != 1 {
			t.Errorf("the client may send %d times", api.retries)
		}
	}
	api := &fixed{}
	if _, err := offline(t, api).Grant(ctx, keys.Binding{User: "bob", Dialogue: "tea", Version: 1}, envelope.GenerateSecret()); err != nil {
		t.Fatal(err)
	}
	if len(api.encrypted) != 32 || slices.ContainsFunc(api.encrypted, func(b byte) bool { return b != 0 }) {
		t.Error("the plaintext of a grant is left")
	}
}

// failing is an API whose Decrypt fails as told.
type failing struct {
	awskms.API
	err error
}

func (f failing) Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	return nil, f.err
}

// TestCauses: what the client says is kept, unless it may hold the answer.
func TestCauses(t *testing.T) {
	snapshot := &smithy.DeserializationError{Err: errors.New("invalid character"), Snapshot: []byte(`{"Plaintext":"c2VjcmV0"}`)}
	cut := &smithy.DeserializationError{Err: io.ErrUnexpectedEOF, Snapshot: snapshot.Snapshot}
	for name, c := range map[string]struct {
		err  error
		kept bool
	}{
		"unreadable":   {snapshot, false},
		"cut":          {cut, false},
		"a name error": {&net.DNSError{Err: "no such host", Name: "kms.example"}, true},
		"disabled":     {&types.DisabledException{Message: aws.String("off")}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			err := derive(t, offline(t, failing{err: &smithy.OperationError{ServiceID: "KMS", Err: c.err}}), "ada")
			if _, ours := errors.AsType[*awskms.Error](err); !ours || errors.Is(err, c.err) != c.kept {
				t.Errorf("%s: %v; cause kept: %v", name, err, errors.Is(err, c.err))
			}
		})
	}
}

// TestUnreachable: nobody listens.
func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	listener.Close()
	p := offline(t, kmstest.Client(url, "ada"))
	err = derive(t, p, "ada")
	if e, ok := errors.AsType[*awskms.Error](err); !ok || e.Reason != awskms.Unavailable || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v", err)
	}
}
