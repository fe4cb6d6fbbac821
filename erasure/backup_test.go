package erasure_test

import (
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/erasure"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/record"
)

// cloud stands before DynamoDB Local and answers what that does not know, as AWS
// does: point-in-time recovery of the keys, one day back, and one backup.
type cloud struct {
	behind  http.Handler
	made    time.Time   // when the backup was made
	deleted atomic.Bool // the backup
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if operation != "DescribeContinuousBackups" && operation != "ListBackups" {
		c.behind.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	answer, err := json.Marshal(c.answer(operation, strings.Contains(string(body), string(record.Keys))))
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(answer)), 10))
	_, _ = w.Write(answer)
}

func (c *cloud) answer(operation string, keys bool) any {
	type object = map[string]any
	backups := []object{}
	if keys && !c.deleted.Load() {
		backups = append(backups, object{"BackupArn": "arn:of-the-backup", "BackupStatus": "AVAILABLE", "BackupCreationDateTime": c.made.Unix()})
	}
	if operation == "ListBackups" {
		return object{"BackupSummaries": backups}
	}
	status := "DISABLED"
	if keys {
		status = "ENABLED"
	}
	return object{"ContinuousBackupsDescription": object{"ContinuousBackupsStatus": "ENABLED",
		"PointInTimeRecoveryDescription": object{"PointInTimeRecoveryStatus": status, "RecoveryPeriodInDays": 1}}}
}

// newCloud returns an office whose tables are behind a cloud.
func newCloud(t *testing.T) (*office, *cloud) {
	config := dynamotest.Config(t)
	to, err := url.Parse(config.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{behind: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}}
	front := httptest.NewServer(c)
	t.Cleanup(front.Close)
	config.Endpoint = front.URL
	o := newOffice(t, dynamotest.Open(t, config))
	c.made = o.clock.Add(-time.Hour)
	return o, c
}

var teaPK = record.DialoguePartition(string(tea))

// partition returns what a table holds of tea.
func (o *office) partition(table record.Table) []record.Record {
	o.t.Helper()
	all, err := o.records.Query(o.t.Context(), record.Query{Table: table, Partition: teaPK})
	if err != nil {
		o.t.Fatal(err)
	}
	return all
}

// restore replaces the stored records by older ones.
func (o *office) restore(table record.Table, all []record.Record) {
	o.t.Helper()
	var writes []record.Write
	for _, r := range all {
		w := record.Write{Table: table, Record: r}
		if old, err := o.records.Get(o.t.Context(), table, r.Key); err == nil {
			w.Prev = old.Attrs
		}
		writes = append(writes, w)
	}
	if err := o.records.Commit(o.t.Context(), writes); err != nil {
		o.t.Fatal(err)
	}
}

// only returns the records whose sort key begins so.
func only(all []record.Record, prefix string) []record.Record {
	var some []record.Record
	for _, r := range all {
		if strings.HasPrefix(r.Key.Item, prefix) {
			some = append(some, r)
		}
	}
	return some
}

// loads loads tea as a new process, and wants an error.
func (o *office) loads(what string, want error) *blue.Snapshot {
	o.t.Helper()
	snapshot, err := o.as("ada").Load(o.t.Context(), tea)
	if !errors.Is(err, want) {
		o.t.Errorf("%s: %v; want %v", what, err, want)
	}
	return snapshot
}

// issued is the certificate of an outcome.
func (o *office) issued(at erasure.Event) string {
	o.t.Helper()
	o.checkpoint()
	text, err := o.notary().Issue(o.t.Context(), erasure.Subject{Kind: erasure.KindDialogue, ID: string(tea)}, at)
	if err != nil {
		o.t.Fatal(err)
	}
	return text
}

// TestBackup: what an older copy of the tables brings back. Of the data alone
// nothing opens, not even where the keys are said to be active again. Data and
// keys together open: so the certificate lists such copies and is pending until
// they are gone.
func TestBackup(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, c := newCloud(t)
	o.fill(o.as("ada"), tea, 5)
	items, keys := o.partition(record.Dialogues), o.partition(record.Keys)
	before := o.loads("before", nil)

	o.clock = o.clock.Add(time.Minute)
	done, err := o.as("ada").Erase(ctx, tea)
	if err != nil {
		t.Fatal(err)
	}
	text := o.issued(done.Event)
	o.pends(text, c, "2026-02-04T11:01:01Z")

	o.loads("erased", blue.ErrErased)
	o.restore(record.Dialogues, items)
	o.loads("the data put back", blue.ErrErased)
	o.restore(record.Keys, only(keys, "head"))
	o.loads("the data, and the keys said to be active", blue.ErrSealed)
	o.restore(record.Keys, only(keys, "wrap#"))
	if after := o.loads("the data and the keys put back", nil); !reflect.DeepEqual(after, before) {
		t.Errorf("what came back is\n%+v\nand was\n%+v", after, before)
	}
	o.clock = o.clock.Add(100 * 24 * time.Hour)
	if _, err := o.notary().Finalize(ctx, text); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("final while it is back: %v", err)
	}

	// Erased again: the first certificate tells of another time, and a new one
	// waits from now on.
	o.clock = time.Date(2026, 2, 5, 12, 0, 0, 0, time.UTC)
	again, err := o.as("ada").ReplayErasures(ctx)
	if err != nil || len(again) != 1 || again[0].Already {
		t.Fatalf("%+v, %v", again, err)
	}
	o.loads("erased again", blue.ErrErased)
	next := o.issued(again[0].Event)
	o.pends(next, c, "2026-02-06T13:00:00Z")
	c.deleted.Store(true)
	for _, step := range []struct {
		clock string
		want  error
	}{{"2026-02-06T12:59:59Z", blue.ErrRefused}, {"2026-02-06T13:00:00Z", nil}} {
		if o.clock, err = time.Parse(time.RFC3339, step.clock); err != nil {
			t.Fatal(err)
		}
		if _, err := o.notary().Finalize(ctx, text); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "the erasure was finished at") {
			t.Errorf("the first certificate at %s: %v", step.clock, err)
		}
		final, err := o.notary().Finalize(ctx, next)
		if !errors.Is(err, step.want) {
			t.Errorf("final at %s: %v; want %v", step.clock, err, step.want)
		}
		if err != nil {
			continue
		}
		if c, err := o.notary().Verify(ctx, final); err != nil || c.State != erasure.Final {
			t.Errorf("%s, %v", c.State, err)
		}
	}
}

// pends checks that a certificate lists the window, until a date, and the backup,
// and that both are in the way of its final form: the window first, and then the
// backup that nobody deletes.
func (o *office) pends(text string, c *cloud, date string) {
	o.t.Helper()
	certificate := o.open(text)
	human := certificate.String()
	for _, want := range []string{"(pending)", "any moment of the last 1 days, until " + date, "arn:of-the-backup of " + c.made.Format(time.RFC3339) + ", until it is deleted", "table/"} {
		if !strings.Contains(human, want) {
			o.t.Errorf("the certificate lacks %q:\n%s", want, human)
		}
	}
	now := o.clock
	for _, step := range []struct {
		after time.Duration
		waits string
	}{{24 * time.Hour, "any moment"}, {26 * time.Hour, "arn:of-the-backup"}} {
		o.clock = now.Add(step.after)
		if _, err := o.notary().Finalize(o.t.Context(), text); !errors.Is(err, blue.ErrRefused) || !strings.Contains(err.Error(), step.waits) {
			o.t.Errorf("final after %s: %v; want it to wait for %s", step.after, err, step.waits)
		}
	}
	o.clock = now
}
