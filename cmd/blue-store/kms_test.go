package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/uuid/v5"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmsfault"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// office is a store that several users share, with a KMS behind a fault layer
// that enforces the shipped policy. Each user has a home and an access key.
type office struct {
	t     *testing.T
	layer *kmsfault.Layer
	arn   string
	env   map[string]string // of all users
	homes map[string]string
	laid  map[string]func() bool // users with a key file from lay; the functions report whether it was opened
}

func newOffice(t *testing.T, env map[string]string) *office {
	t.Helper()
	layer, err := kmsfault.New(kmstest.Endpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(layer)
	t.Cleanup(front.Close)
	t.Cleanup(layer.Close)
	o := &office{t: t, layer: layer, env: maps.Clone(env), homes: map[string]string{}, laid: map[string]func() bool{}}
	o.env["AWS_ENDPOINT_URL_KMS"] = front.URL
	o.use(kmstest.Key(t))
	return o
}

// use sets the KMS key of all users.
func (o *office) use(arn string) {
	o.arn = arn
	o.env["BLUE_KMS_KEY_ARN"] = arn
}

// admit gives users the policy of users for the given keys in KMS.
func (o *office) admit(arns []string, users ...string) {
	o.t.Helper()
	var policies []kmsfault.Policy
	for _, arn := range arns {
		tables := o.env["BLUE_TABLE_PREFIX"] + "blue"
		policy, err := kmsfault.Load(filepath.Join("..", "..", "deploy", "iam", "user.json"), kmsfault.Place{KeyARN: arn, Tables: tables})
		if err != nil {
			o.t.Fatal(err)
		}
		policies = append(policies, policy)
	}
	for _, user := range users {
		o.layer.Let(user, kmsfault.Principal{Tags: map[string]string{"blue-user": user}, Policies: policies})
	}
}

// trust gives all users the public keys of the given users' audit logs.
func (o *office) trust(users ...string) {
	o.t.Helper()
	var known string
	for _, user := range users {
		known += o.want(exitOK, user, nil, "audit", "key", "--text").stdout
	}
	path := filepath.Join(o.t.TempDir(), "trust")
	if err := os.WriteFile(path, []byte(known), 0o600); err != nil {
		o.t.Fatal(err)
	}
	o.env["BLUE_AUDIT_TRUST"] = path
}

// as runs the program as a principal with a given BLUE_USER.
func (o *office) as(principal, user string, args ...string) outcome {
	o.t.Helper()
	if o.homes[principal] == "" {
		o.homes[principal] = o.t.TempDir()
	}
	env := maps.Clone(o.env)
	env["BLUE_HOME"], env["BLUE_USER"], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = o.homes[principal], user, principal, "not-a-secret-of-anyone"
	var out, errs bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &errs, env: func(name string) string { return env[name] }}
	code := a.run(o.t.Context(), args)
	if opened := o.laid[principal]; opened != nil {
		if opened() {
			o.t.Errorf("%q read the key file that lies there", args)
		}
	} else if _, err := os.Stat(filepath.Join(o.homes[principal], "keys", "umk.key")); err == nil {
		o.t.Errorf("%q made a key file", args)
	}
	return outcome{code, out.String(), errs.String()}
}

// lay puts a valid key file into the homes of the users who have run the
// program.
func (o *office) lay(users ...string) {
	o.t.Helper()
	for _, user := range users {
		path := filepath.Join(o.homes[user], "keys", "umk.key")
		if err := os.WriteFile(path, bytes.Repeat([]byte{7}, 32), 0o600); err != nil {
			o.t.Fatal(err)
		}
		o.laid[user] = watchOpened(o.t, path)
	}
}

// want runs the program as a user and checks the exit code and the output.
func (o *office) want(code int, who string, words []string, args ...string) outcome {
	o.t.Helper()
	return o.check(o.as(who, who, args...), code, words, args)
}

func (o *office) check(got outcome, code int, words, args []string) outcome {
	o.t.Helper()
	if got.code != code {
		o.t.Fatalf("%q: exit code %d; want %d\n%s%s", args, got.code, code, got.stdout, got.stderr)
	}
	for _, w := range words {
		if !strings.Contains(got.stdout+got.stderr, w) {
			o.t.Errorf("%q does not say %q:\n%s%s", args, w, got.stdout, got.stderr)
		}
	}
	return got
}

// closed checks that a principal has no access to a dialogue. The principal
// cannot read it, write it or change its holders, under their own name or under
// the name of a holder.
func (o *office) closed(principal, holder, dialogue string) {
	o.t.Helper()
	for user, says := range map[string]string{principal: "not granted to user " + principal, holder: "access denied"} {
		for _, args := range [][]string{
			{"show", dialogue},
			{"export", dialogue},
			{"dialogue", "round-register", "--dialogue-id", dialogue, "--round", "4", "--data", `{"score": 1}`},
			{"keys", "grant", dialogue, principal},
			{"keys", "rotate", dialogue},
			{"keys", "revoke", dialogue, holder},
		} {
			if user == holder && args[1] == "revoke" {
				continue // a user cannot revoke their own access
			}
			if got := o.check(o.as(principal, user, args...), exitKey, []string{says}, args); got.stdout != "" {
				o.t.Errorf("%s, as %s, %q: %s", principal, user, args, got.stdout)
			}
		}
	}
}

// stores lists the places of a store that several users share.
func stores(t *testing.T, story func(t *testing.T, env map[string]string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		story(t, map[string]string{"BLUE_STORE": "sqlite:" + filepath.Join(t.TempDir(), "blue.db")})
	})
	t.Run("dynamodb", func(t *testing.T) {
		t.Parallel()
		story(t, map[string]string{"BLUE_STORE": "dynamodb", "DYNAMODB_ENDPOINT": localtest.Endpoint(t), "BLUE_TABLE_PREFIX": "kms-" + uuid.Must(uuid.NewV4()).String() + "-"})
	})
}

const demoDialogue = "references-inline-or-as-items"

// TestKMS runs the program for two users with one table and one key in KMS:
// import, show, grant, revoke and erase.
func TestKMS(t *testing.T) {
	source := filepath.Join("..", "..", "internal", "demo", "source")
	stores(t, func(t *testing.T, env map[string]string) {
		o := newOffice(t, env)
		o.admit([]string{o.arn}, "ada", "bob")
		if env["BLUE_STORE"] == "dynamodb" {
			o.want(exitOK, "ada", nil, "table", "create")
		}
		imported := o.want(exitOK, "ada", nil, "import", source)
		if strings.Contains(imported.stderr, "a new key was created") {
			t.Error("a key file is spoken of")
		}
		o.want(exitOK, "ada", []string{"Enabled", "stored in blue_keys", "for at most 5m0s", "AWS_ACCESS_KEY_ID"}, "doctor", "--text")
		o.want(exitOK, "ada", []string{o.arn, "KMS", "Enabled, less than a minute old", "KEK of ada  stored, opened by KMS, wrap ", "v1  116 items, less than a minute old", "ada  wrap"}, "keys", "status", "--text")
		first := o.want(exitOK, "ada", nil, "show", demoDialogue).stdout
		o.want(exitOK, "ada", nil, "verify")

		// Bob cannot open anything, as himself or as ada, until ada grants him a
		// dialogue.
		o.want(exitKey, "bob", []string{"not granted to user bob"}, "show", demoDialogue)
		args := []string{"show", demoDialogue}
		o.check(o.as("bob", "ada", args...), exitKey, []string{"kms:Decrypt", "access denied", "blue-user"}, args)
		o.want(exitKey, "bob", nil, "keys", "grant", demoDialogue, "bob")
		o.want(exitOK, "ada", []string{`"granted": true`}, "keys", "grant", demoDialogue, "bob")
		if got := o.want(exitOK, "bob", nil, "show", demoDialogue).stdout; got != first {
			t.Error("bob reads something else than ada")
		}
		o.want(exitOK, "bob", []string{`"dialogue_id": "milk"`}, "dialogue", "create", "Milk", "-q")
		o.closed("ada", "bob", "milk") // a grant gives no access in the other direction
		o.check(o.as("ada", "bob", "show", demoDialogue), exitKey, []string{"access denied"}, []string{"show as bob"})

		// After a revocation, he cannot read newly encrypted data.
		o.want(exitOK, "ada", []string{"revoked: bob", "key version 2, 115 items"}, "keys", "revoke", demoDialogue, "bob", "--text")
		o.closed("bob", "ada", demoDialogue)
		o.want(exitOK, "ada", []string{"v2  116 items"}, "keys", "status", demoDialogue, "--text")
		if got := o.want(exitOK, "ada", nil, "show", demoDialogue).stdout; got != first {
			t.Error("the rotation changed the dialogue")
		}
		o.want(exitOK, "ada", nil, "dialogue", "round-register", "--dialogue-id", demoDialogue, "--round", "3", "--data", `{"score": 1}`)
		o.closed("bob", "ada", demoDialogue) // including later writes
		o.closed("ada", "bob", "milk")
		o.want(exitOK, "bob", nil, "show", "milk")

		// The erasure has a certificate, which is checked.
		cert := filepath.Join(t.TempDir(), "erased.cert")
		o.want(exitOK, "ada", []string{"erased: " + demoDialogue}, "erase", demoDialogue, "--confirm", demoDialogue, "--output", cert, "--text")
		o.want(exitOK, "ada", []string{"valid"}, "erase", "verify", cert, "--text")
		o.want(exitErased, "ada", nil, "show", demoDialogue)
		o.want(exitOK, "ada", []string{`"dialogue_id": "` + demoDialogue + `-2"`}, "import", source, "-q") // the id is never used again
		o.want(exitOK, "bob", nil, "show", "milk")
		// The erasure of bob includes the dialogues that only he holds, and his
		// key.
		gone := filepath.Join(t.TempDir(), "bob.cert")
		o.want(exitOK, "ada", []string{"erased: user bob; 1 dialogue erased"}, "erase", "--user", "bob", "--confirm", "bob", "--output", gone, "--text")
		o.want(exitOK, "ada", nil, "erase", "verify", gone)
		o.want(exitErased, "bob", nil, "show", "milk")
		o.want(exitIntegrity, "ada", []string{"no verifiable signatures"}, "audit", "verify") // ada does not trust bob's key
		o.trust("ada", "bob")
		o.want(exitOK, "ada", []string{"ok"}, "audit", "verify", "--text")
	})
}

// TestKMSStatus checks that keys status reads the user's stored key from the
// table and prints its age and the age of the KMS key. It prints no age if KMS
// reports none.
func TestKMSStatus(t *testing.T) {
	o := newOffice(t, map[string]string{"BLUE_STORE": "sqlite:" + filepath.Join(t.TempDir(), "blue.db")})
	o.admit([]string{o.arn}, "ada", "bob")
	status := func(who string) (answer keysAnswer) {
		t.Helper()
		if err := json.Unmarshal([]byte(o.want(exitOK, who, nil, "keys", "status").stdout), &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	o.want(exitOK, "ada", nil, "dialogue", "create", "Tea", "-q")
	path := strings.TrimPrefix(o.env["BLUE_STORE"], "sqlite:")
	kek := storedKey(t, path, record.Key{Partition: "user#ada", Item: "kek"}, nil)
	hash := sha256.Sum256(kek.Attrs["wrapped"].Bin())
	if got := status("ada"); got.UserKey != o.arn || got.UserWrap != hex.EncodeToString(hash[:]) || got.UserMade != kek.Attrs["created_at"].Str() || got.UMKMade == "" {
		t.Errorf("ada: %+v", got)
	}
	if got := status("bob"); got.UserKey != "" || got.UserWrap != "" || got.UserMade != "" {
		t.Errorf("bob, who has no key: %+v", got)
	}
	o.want(exitOK, "bob", []string{"KEK of bob  not made yet"}, "keys", "status", "--text")

	old := time.Now().Add(-72 * time.Hour)
	storedKey(t, path, kek.Key, func(a record.Attrs) { a["created_at"] = record.S(printedTime(old)) })
	o.want(exitOK, "ada", []string{"KEK of ada  stored, opened by KMS, wrap " + hex.EncodeToString(hash[:8]) + "…, 3 days old"}, "keys", "status", "--text")
	o.layer.Play(kmsfault.Fault{Action: "kms:DescribeKey", Answer: kmsfault.Denied})
	o.want(exitOK, "ada", []string{"access denied", ", of unknown age\n", "3 days old"}, "keys", "status", "--text")
	if got := status("ada"); got.UMKMade != "" {
		t.Errorf("KMS did not say that its key is of %s", got.UMKMade)
	}
}

// storedKey returns a record of the key table of a SQLite store. It changes the
// record if change is set.
func storedKey(t *testing.T, path string, key record.Key, change func(record.Attrs)) record.Record {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := s.Get(t.Context(), record.Keys, key)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		next := r.Clone()
		change(next.Attrs)
		if err := s.Commit(t.Context(), []record.Write{{Table: record.Keys, Record: next, Prev: r.Attrs}}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// TestKMSRewrap replaces the KMS key. Each user wraps their own keys with the
// new one. After that, the old key is not needed.
func TestKMSRewrap(t *testing.T) {
	t.Parallel()
	o := newOffice(t, map[string]string{"BLUE_STORE": "sqlite:" + filepath.Join(t.TempDir(), "blue.db")})
	old, next := o.arn, kmstest.Key(t)
	o.admit([]string{old, next}, "ada", "bob")
	for _, title := range []string{"Tea", "Milk"} {
		o.want(exitOK, "ada", nil, "dialogue", "create", title, "-q")
	}
	o.want(exitOK, "ada", nil, "keys", "grant", "tea", "bob")
	o.want(exitOK, "bob", nil, "dialogue", "create", "Soup", "-q")
	o.want(exitUsage, "ada", []string{"no other KMS key"}, "keys", "rewrap")

	o.use(next)
	o.want(exitKey, "ada", []string{"wrapped by " + old + ", you have " + next, "blue-store keys rewrap"}, "show", "tea")
	o.want(exitKey, "ada", []string{"the user key is wrapped with another KMS key"}, "doctor", "--text")
	o.layer.Play(kmsfault.Fault{Action: "kms:Encrypt", Times: 1, Answer: kmsfault.Denied})
	o.want(exitKey, "ada", []string{"access denied"}, "keys", "rewrap")
	o.layer.Clear()
	o.want(exitOK, "ada", []string{"rewrapped: the key of ada"}, "keys", "rewrap", "--text")
	o.want(exitKey, "bob", nil, "show", "tea")
	o.want(exitOK, "bob", []string{"rewrapped: the key of bob", "rewrapped: 1 granted key of tea"}, "keys", "rewrap", "--text")

	o.layer.Let("ada", kmsfault.Principal{})
	o.layer.Let("bob", kmsfault.Principal{})
	o.admit([]string{next}, "ada", "bob") // the policy denies the old key now
	for who, ids := range map[string][]string{"ada": {"tea", "milk"}, "bob": {"tea", "soup"}} {
		for _, id := range ids {
			o.want(exitOK, who, nil, "show", id)
		}
	}
	o.want(exitOK, "ada", nil, "dialogue", "create", "New", "-q")
	o.want(exitOK, "ada", nil, "keys", "rotate", "milk")
}

// TestKMSCopy checks that the stored keys of the users are copied with their
// dialogues. A user with another key in the target is a conflict, and nothing is
// copied.
func TestKMSCopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to, third := "sqlite:"+filepath.Join(dir, "a.db"), "sqlite:"+filepath.Join(dir, "b.db"), "sqlite:"+filepath.Join(dir, "c.db")
	o := newOffice(t, map[string]string{"BLUE_STORE": from})
	o.admit([]string{o.arn}, "ada", "bob")
	o.want(exitOK, "ada", nil, "dialogue", "create", "Tea", "-q")
	o.want(exitOK, "ada", nil, "keys", "grant", "tea", "bob")
	o.want(exitOK, "ada", []string{`"verified": true`}, "copy", from, to, "tea")
	o.want(exitOK, "ada", []string{`"verified": true`}, "copy", from, to, "tea")
	for _, who := range []string{"ada", "bob"} {
		o.want(exitOK, who, nil, "show", "tea", "--store", to)
	}
	o.want(exitOK, "ada", nil, "dialogue", "create", "Milk", "-q", "--store", third)
	o.want(exitConflict, "ada", []string{"the target holds another key at user#ada"}, "copy", from, third, "tea")
	o.want(exitNotFound, "ada", nil, "show", "tea", "--store", third)
}

// TestKMSFails checks that every refusal by KMS is exit 6 with the reason, and
// changes no dialogue, key or file. There is no fallback: the program does not
// even open a valid key file.
func TestKMSFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "blue.db")
	o := newOffice(t, map[string]string{"BLUE_STORE": "sqlite:" + path})
	o.want(exitOK, "ada", nil, "dialogue", "create", "Tea", "-q")
	o.want(exitOK, "ada", nil, "keys", "grant", "tea", "bob")
	o.want(exitKey, "cy", []string{"not granted to user cy"}, "show", "tea") // cy is in the directory of the log now, but has no key
	slow := slowKMS(t)
	o.lay("ada", "cy")

	opening := [][]string{{"show", "tea"}, {"dialogue", "create", "Milk"}, {"keys", "rotate", "tea"}}
	for _, c := range []struct {
		answer kmsfault.Answer
		says   []string
		always bool // also for Encrypt and GenerateDataKeyWithoutPlaintext
	}{
		{kmsfault.Denied, []string{"access denied", "deploy/iam/user.json"}, true},
		{kmsfault.NoCredentials, []string{"the credentials are missing, wrong or expired", "AWS_PROFILE"}, true},
		{kmsfault.Expired, []string{"the credentials are missing, wrong or expired"}, true},
		{kmsfault.Disabled, []string{"the key is disabled", "kms:EnableKey"}, true},
		{kmsfault.PendingDeletion, []string{"the key is pending deletion", "kms:CancelKeyDeletion"}, true},
		{kmsfault.NotFound, []string{"there is no such key in this region and account", "BLUE_KMS_KEY_ARN"}, true},
		{kmsfault.WrongRegion, []string{"there is no such key in this region and account"}, true},
		{kmsfault.Throttled, []string{"KMS is throttling", "3 attempts", "no other key is used instead"}, true},
		{kmsfault.Reset, []string{"KMS does not respond", "3 attempts"}, true},
		{kmsfault.InvalidCiphertext, []string{"does not open it under this encryption context", "BLUE_USER and BLUE_TABLE_PREFIX"}, false},
		{kmsfault.Short, []string{"the key has 31 bytes instead of 32"}, false},
		{kmsfault.Zeros, []string{"the key is all zeros"}, false},
	} {
		t.Run(string(c.answer), func(t *testing.T) {
			o.t = t
			defer o.layer.Clear()
			before := storedRows(t, path)
			fails := func(who string, args ...string) {
				t.Helper()
				got := o.want(exitKey, who, c.says, args...)
				var e errorJSON
				if err := json.Unmarshal([]byte(got.stderr), &e); err != nil || e.Kind != "key" || e.Hint == "" || got.stdout != "" {
					t.Errorf("%q: %v, %s%s", args, err, got.stdout, got.stderr)
				}
				if storedRows(t, path) != before {
					t.Errorf("%q left other dialogues or keys than there were", args)
				}
			}
			o.layer.Play(kmsfault.Fault{Action: "kms:Decrypt", Answer: c.answer})
			for _, args := range opening {
				fails("ada", args...)
			}
			if !c.always {
				return
			}
			o.layer.Clear()
			o.layer.Play(kmsfault.Fault{Action: "kms:Encrypt", Answer: c.answer})
			fails("ada", "keys", "grant", "tea", "cy")
			fails("ada", "keys", "rotate", "tea") // for bob, who has a granted key
			o.layer.Clear()
			o.layer.Play(kmsfault.Fault{Action: "kms:GenerateDataKeyWithoutPlaintext", Answer: c.answer})
			fails("cy", "dialogue", "create", "Milk")
		})
	}
	o.t = t
	o.want(exitOK, "ada", nil, "show", "tea")
	o.want(exitOK, "bob", nil, "show", "tea")
	o.want(exitNotFound, "ada", nil, "show", "milk")
	o.env["BLUE_KMS_TABLES"] = "others"
	o.want(exitKey, "ada", []string{"the key was made for the tables"}, "show", "tea")
	delete(o.env, "BLUE_KMS_TABLES")

	dead := httptest.NewServer(nil)
	dead.Close()
	o.env["AWS_ENDPOINT_URL_KMS"] = dead.URL
	o.want(exitKey, "ada", []string{"KMS does not respond", "3 attempts"}, "show", "tea")
	o.want(exitKey, "ada", []string{"KMS does not respond"}, "doctor", "--text")
	o.want(exitOK, "ada", []string{"KMS does not respond"}, "keys", "status", "--text")

	delete(o.env, "BLUE_KMS_KEY_ARN") // without the ARN, no key file is created and nothing is deleted
	o.want(exitKey, "bob", []string{"sealed with key " + o.arn, "set BLUE_KMS_KEY_ARN"}, "show", "tea")
	slow()
}

// slowKMS runs the program with a KMS that does not answer within 30 s, in
// parallel with the caller. The returned function waits for the run. It checks
// that the program stopped much earlier, with exit code 6 and after three tries.
func slowKMS(t *testing.T) (check func()) {
	o := newOffice(t, map[string]string{"BLUE_STORE": "sqlite:" + filepath.Join(t.TempDir(), "blue.db")})
	o.want(exitOK, "ada", nil, "dialogue", "create", "Tea", "-q")
	o.lay("ada")
	o.layer.Play(kmsfault.Fault{Action: "kms:Decrypt", Answer: kmsfault.Slow})
	done := make(chan outcome, 1)
	var took time.Duration
	go func() {
		start := time.Now()
		got := o.as("ada", "ada", "show", "tea")
		took = time.Since(start)
		done <- got
	}()
	return func() {
		t.Helper()
		got := <-done
		o.check(got, exitKey, []string{"KMS does not respond", "3 attempts", "no other key is used instead"}, []string{"show tea, of a slow KMS"})
		if took > 25*time.Second {
			t.Errorf("a slow KMS was waited for %s", took)
		}
	}
}

// TestAsksAWS checks that the caller's identity is requested if AWS credentials
// are used for the tables or for the keys.
func TestAsksAWS(t *testing.T) {
	const arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for name, c := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"sqlite":                          {nil, false},
		"sqlite, KMS in AWS":              {map[string]string{"BLUE_KMS_KEY_ARN": arn}, true},
		"sqlite, KMS here":                {map[string]string{"BLUE_KMS_KEY_ARN": arn, "AWS_ENDPOINT_URL_KMS": "http://localhost:1"}, false},
		"an endpoint of KMS, and no key":  {map[string]string{"AWS_ENDPOINT_URL_KMS": "https://example.org"}, false},
		"DynamoDB here":                   {map[string]string{"BLUE_STORE": "dynamodb", "DYNAMODB_ENDPOINT": "http://localhost:1"}, false},
		"DynamoDB here, KMS in AWS":       {map[string]string{"BLUE_STORE": "dynamodb", "DYNAMODB_ENDPOINT": "http://localhost:1", "BLUE_KMS_KEY_ARN": arn}, true},
		"DynamoDB in AWS, KMS here":       {map[string]string{"BLUE_STORE": "dynamodb", "AWS_REGION": "eu-central-1", "BLUE_KMS_KEY_ARN": arn, "AWS_ENDPOINT_URL_KMS": "http://localhost:1"}, true},
		"KMS elsewhere, over https":       {map[string]string{"BLUE_KMS_KEY_ARN": arn, "AWS_ENDPOINT_URL_KMS": "https://example.org"}, true},
		"KMS of another endpoint for all": {map[string]string{"BLUE_KMS_KEY_ARN": arn, "AWS_ENDPOINT_URL": "http://localhost:1"}, false},
	} {
		a := &app{env: func(name string) string {
			if v, set := c.env[name]; set {
				return v
			}
			return map[string]string{"BLUE_HOME": "/nowhere", "BLUE_USER": "tester"}[name]
		}}
		got, err := a.config()
		if err != nil || got.isOnAWS() != c.want {
			t.Errorf("%s: %v, %v; want %v", name, got.isOnAWS(), err, c.want)
		}
	}
}
