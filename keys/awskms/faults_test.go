package awskms_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
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

// refusals lists every kind of failure of KMS with its reason. text is the message
// after "KMS key ARN: ".
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
	{"throttled", decrypt, kmsfault.Throttled, awskms.Throttled, "KMS is throttling: ThrottlingException: Rate exceeded (3 attempts)", 3},
	{"throttled, making", generate, kmsfault.Throttled, awskms.Throttled, "KMS is throttling: ThrottlingException: Rate exceeded (3 attempts)", 3},
	{"internal error", decrypt, kmsfault.Internal, awskms.Unavailable, "KMS does not respond: KMSInternalException (3 attempts)", 3},
	{"dependency timeout", decrypt, kmsfault.Dependency, awskms.Unavailable, "KMS does not respond: DependencyTimeoutException (3 attempts)", 3},
	{"key unavailable", decrypt, kmsfault.KeyUnavailable, awskms.Unavailable, "KMS does not respond: KeyUnavailableException (3 attempts)", 3},
	{"no response", decrypt, kmsfault.Slow, awskms.Unavailable, "KMS does not respond: no response within 100ms (3 attempts)", 3},
	{"cut off", decrypt, kmsfault.Cut, awskms.Unavailable, "KMS does not respond: the response was cut off (3 attempts)", 3},
	{"cut off, making", generate, kmsfault.Cut, awskms.Unavailable, "KMS does not respond: the response was cut off (3 attempts)", 3},
	{"connection closed", decrypt, kmsfault.Reset, awskms.Unavailable, "KMS does not respond: EOF (3 attempts)", 3},
	{"a gateway's page", decrypt, kmsfault.BadGateway, awskms.Unavailable, "KMS does not respond: the response of status 502 cannot be read (3 attempts)", 3},
	{"a page", decrypt, kmsfault.Garbage, awskms.Malformed, "KMS returned an invalid response: the response cannot be read", 1},
	{"an unknown error", decrypt, kmsfault.Unheard, awskms.Malformed, "KMS returned an invalid response: TeapotException: short and stout", 1},
	{"nothing in it", decrypt, kmsfault.Empty, awskms.Malformed, `KMS returned an invalid response: KMS used the key ""`, 1},
	{"31 bytes", decrypt, kmsfault.Short, awskms.Malformed, "KMS returned an invalid response: the key has 31 bytes instead of 32", 1},
	{"33 bytes", decrypt, kmsfault.Long, awskms.Malformed, "KMS returned an invalid response: the key has 33 bytes instead of 32", 1},
	{"zeros", decrypt, kmsfault.Zeros, awskms.Malformed, "KMS returned an invalid response: the key is all zeros", 1},
	{"a response of another key", decrypt, kmsfault.OtherKey, awskms.Malformed, `KMS returned an invalid response: KMS used the key "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000"`, 1},
	{"a response of another key, making", generate, kmsfault.OtherKey, awskms.Malformed, `KMS returned an invalid response: KMS used the key "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000"`, 1},
	{"a huge ciphertext", generate, kmsfault.BigBlob, awskms.Malformed, "KMS returned an invalid response: the ciphertext has 6145 bytes", 1},
	{"a tiny ciphertext", encrypt, kmsfault.TinyBlob, awskms.Malformed, "KMS returned an invalid response: the ciphertext has 60 bytes", 1},
}

func TestRefusals(t *testing.T) {
	w := newEnv(t)
	newProvider(t, w)
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
			err := useAction(t, p, c.action)
			e, ok := errors.AsType[*awskms.Error](err)
			if !ok {
				t.Fatalf("%v; want an *awskms.Error", err)
			}
			kind := "cannot open the seal: "
			if c.want == awskms.Denied {
				kind = "cannot open the seal: denied: "
			}
			got := e.Error()
			if c.answer == kmsfault.Slow { // the number of attempts depends on the machine; TestSlow counts them
				got, _, _ = strings.Cut(got, " (")
				c.text, _, _ = strings.Cut(c.text, " (")
			}
			want := kind + c.action + " with KMS key " + w.arn + ": " + strings.ReplaceAll(c.text, "ARN", w.arn)
			if e.Reason != c.want || got != want || e.KeyARN != w.arn || e.Action != c.action {
				t.Errorf("%q: %s\nwant %q: %s", e.Reason, e, c.want, want)
			}
			if !errors.Is(err, blue.ErrSealed) || errors.Is(err, keys.ErrDenied) != (c.want == awskms.Denied) ||
				errors.Is(err, blue.ErrTampered) || errors.Is(err, blue.ErrUnavailable) || errors.Is(err, context.Canceled) {
				t.Errorf("the error has another class: %v", err)
			}
			if n := w.layer.Calls()[c.action] - before; n != c.tries && c.answer != kmsfault.Slow || e.IsTransient() != (c.tries > 1) {
				t.Errorf("%d attempts, transient %v; want %d", n, e.IsTransient(), c.tries)
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
			t.Errorf("no case has the reason %q", reason)
		}
	}
	if _, err := w.store.Get(ctx, record.Keys, kekKey("bob")); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("MakeKEK stored a key of bob, who was refused: %v", err)
	}
	w.layer.Clear()
	if err := derive(t, w.provider("ada", nil), "ada"); err != nil {
		t.Errorf("after the faults: %v", err)
	}
}

// useAction calls a method of the provider that needs the action.
func useAction(t *testing.T, p *awskms.Provider, action string) error {
	switch action {
	case decrypt:
		return derive(t, p, "ada")
	case generate:
		return p.MakeKEK(ctx, umkOf(t, p), "bob")
	}
	wrapped, err := p.Grant(ctx, keys.Binding{User: "bob", Dialogue: "tea", Version: 1}, envelope.GenerateSecret())
	if wrapped != nil {
		t.Errorf("Grant returned a wrap and %v", err)
	}
	return err
}

// TestTransient: a transient failure is retried until the call succeeds. Other
// failures are not retried.
func TestTransient(t *testing.T) {
	w := newEnv(t)
	newProvider(t, w)
	for _, answer := range []kmsfault.Answer{kmsfault.Throttled, kmsfault.Internal, kmsfault.Cut, kmsfault.Reset, kmsfault.BadGateway} {
		w.layer.Play(kmsfault.Fault{Action: decrypt, Times: 2, Answer: answer})
		if err := derive(t, w.provider("ada", nil), "ada"); err != nil {
			t.Errorf("%s, twice: %v", answer, err)
		}
	}
}

// TestDeletionDate: the error contains the deletion date that KMS returns.
func TestDeletionDate(t *testing.T) {
	w := newEnv(t)
	p := newProvider(t, w)
	out, err := kmstest.Client(kmstest.Endpoint(t), "admin").ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: aws.String(w.arn[strings.LastIndex(w.arn, "/")+1:]), // moto does not accept an ARN here
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

// TestGrantRefused: a granted wrap that KMS does not open is damage. Any other refusal
// of KMS is not.
func TestGrantRefused(t *testing.T) {
	w := newEnv(t)
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

// silentAPI never responds. It counts the calls and measures their duration.
type silentAPI struct {
	awskms.API
	calls int
}

func (s *silentAPI) Decrypt(ctx context.Context, _ *kms.DecryptInput, _ ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	s.calls++
	<-ctx.Done()
	return nil, &smithy.OperationError{ServiceID: "KMS", OperationName: "Decrypt", Err: ctx.Err()}
}

// TestSlow: a KMS that does not respond takes the timeout and not longer.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &silentAPI{}
		p := offline(t, api)
		start := time.Now()
		err := derive(t, p, "ada")
		if e, ok := errors.AsType[*awskms.Error](err); !ok || e.Reason != awskms.Unavailable || !strings.Contains(err.Error(), "no response within 5s") {
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

// offline returns a provider whose store has a KEK of ada.
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

// fixedAPI returns the given bytes, which a test can inspect later.
type fixedAPI struct {
	awskms.API
	plain     []byte
	encrypted []byte
	retries   int
}

func (f *fixedAPI) Decrypt(_ context.Context, _ *kms.DecryptInput, opts ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	var o kms.Options
	for _, set := range opts {
		set(&o)
	}
	f.retries = o.Retryer.MaxAttempts()
	return &kms.DecryptOutput{KeyId: aws.String(someARN), Plaintext: f.plain}, nil
}

func (f *fixedAPI) Encrypt(_ context.Context, in *kms.EncryptInput, _ ...func(*kms.Options)) (*kms.EncryptOutput, error) {
	f.encrypted = in.Plaintext
	return &kms.EncryptOutput{KeyId: aws.String(someARN), CiphertextBlob: make([]byte, 96)}, nil
}

// TestPlaintextsAreZeroed: every plaintext from KMS is overwritten, also one that is
// refused, and the SDK does not retry.
func TestPlaintextsAreZeroed(t *testing.T) {
	for _, n := range []int{0, 31, 32, 33, 4096} {
		api := &fixedAPI{plain: slices.Repeat([]byte{7}, n)}
		if err := derive(t, offline(t, api), "ada"); (err == nil) != (n == 32) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if slices.Contains(api.plain, 7) {
			t.Errorf("a plaintext of %d bytes remains in memory", n)
		}
		if api.retries != 1 {
			t.Errorf("the SDK can send a request %d times", api.retries)
		}
	}
	api := &fixedAPI{}
	if _, err := offline(t, api).Grant(ctx, keys.Binding{User: "bob", Dialogue: "tea", Version: 1}, envelope.GenerateSecret()); err != nil {
		t.Fatal(err)
	}
	if len(api.encrypted) != 32 || slices.ContainsFunc(api.encrypted, func(b byte) bool { return b != 0 }) {
		t.Error("the plaintext of a grant remains in memory")
	}
}

// failingAPI is an API whose Decrypt returns the error of fail.
type failingAPI struct {
	awskms.API
	fail func(context.Context) error
}

func (f failingAPI) Decrypt(ctx context.Context, _ *kms.DecryptInput, _ ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	return nil, f.fail(ctx)
}

// TestUnreadableBody: a connection that fails while the response is read is not an
// invalid response. It is tried again.
func TestUnreadableBody(t *testing.T) {
	closed := &smithy.DeserializationError{Err: &net.OpError{Op: "read", Net: "tcp", Err: net.ErrClosed}}
	reset := &smithy.DeserializationError{Err: &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}}
	for name, c := range map[string]struct {
		api  func(context.Context) error
		want string
	}{
		"closed": {func(context.Context) error { return closed }, "KMS does not respond: the response was cut off (3 attempts)"},
		"reset":  {func(context.Context) error { return reset }, "KMS does not respond: the response was cut off (3 attempts)"},
		"closed at the timeout": {func(ctx context.Context) error {
			<-ctx.Done()
			return closed
		}, "KMS does not respond: no response within 5s (3 attempts)"},
		"not JSON": {func(context.Context) error {
			return &smithy.DeserializationError{Err: errors.New("invalid character")}
		}, "KMS returned an invalid response: the response cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := derive(t, offline(t, failingAPI{fail: c.api}), "ada")
				if err == nil || !strings.HasSuffix(err.Error(), c.want) {
					t.Errorf("%v; want %s", err, c.want)
				}
			})
		})
	}
}

// TestCauses: the error of the SDK is kept, unless it can contain the response.
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
			err := derive(t, offline(t, failingAPI{fail: func(context.Context) error { return &smithy.OperationError{ServiceID: "KMS", Err: c.err} }}), "ada")
			if _, ours := errors.AsType[*awskms.Error](err); !ours || errors.Is(err, c.err) != c.kept {
				t.Errorf("%s: %v; cause kept: %v", name, err, errors.Is(err, c.err))
			}
		})
	}
}

// TestUnreachable connects to a closed port.
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
