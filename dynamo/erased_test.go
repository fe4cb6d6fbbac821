package dynamo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestPurge: under a meta item that is not a tombstone a whole log is rolled forward, a
// broken one is given up, and nothing is deleted; under a tombstone every log
// goes, however young, and no lease is put on it.
func TestPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := solo(1, short)
		ctx := context.Background()
		w := &writer{h: h, name: "w", store: h.process("w", &link{w: h.w}), isLarge: func() bool { return false }}
		w.commit(ctx, "first", 1)
		s := w.store
		meta := h.w.cell(record.Dialogues, metaKey(simPK))
		pieces := func(b string, n int) {
			for i := range n {
				a := action{table: record.Dialogues, record: record.Record{Key: logKey(simPK, b, i), Attrs: record.Attrs{attrChunk: record.B([]byte{0})}}, when: condition{absent: true}}
				if err := s.transact(ctx, s.newID(), []action{a}); err != nil {
					t.Fatal(err)
				}
			}
		}
		left := func() int {
			n, err := s.Leftovers(ctx, simPK)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		young := h.w.newID()
		pieces(young, 2)
		for _, marked := range []string{h.w.newID() + "/3", "no log at all"} {
			meta.record = meta.record.Clone()
			meta.record.Attrs[attrPending] = record.S(marked)
			if err := s.Purge(ctx, simPK); err != nil {
				t.Fatal(err)
			}
			if _, still := meta.record.Attrs[attrPending]; still || left() != 2 {
				t.Errorf("%q: pending %v, %d pieces left", marked, still, left())
			}
		}
		if v, err := h.load(ctx, s, true); err != nil || v.version != 1 {
			t.Errorf("version %d, %v: the partition is not what it was", v.version, err)
		}
		tomb := record.Write{Table: record.Dialogues, Prev: meta.record.Attrs, Record: record.Record{Key: metaKey(simPK), Attrs: record.Attrs{"entity_type": record.S(record.Erased)}}}
		if err := s.Commit(ctx, []record.Write{tomb}); err != nil {
			t.Fatal(err)
		}
		if err := s.Purge(ctx, simPK); err != nil || left() != 0 {
			t.Errorf("%v, %d pieces left", err, left())
		}
		// One that learns while another purges takes its items from under it.
		between := h.w.newID()
		pieces(between, 3)
		other := h.process("other", &link{w: h.w})
		s.api = listed{s.api, func() {
			if err := other.deleteLog(ctx, simPK, pending{between, 2}); err != nil {
				t.Error(err)
			}
		}}
		if err := s.Purge(ctx, simPK); err != nil || left() != 0 {
			t.Errorf("%v, %d pieces left, of which other writers took two", err, left())
		}
		// A writer that learns now that it has lost takes its log along.
		late := h.w.newID()
		pieces(late, 3)
		s.onLost(ctx, simPK, pending{late, 3})
		if _, leased := meta.record.Attrs[attrLease]; leased || left() != 0 {
			t.Errorf("leased %v, %d pieces left of a writer that lost", leased, left())
		}
		for _, wrong := range h.w.wrong {
			t.Error(wrong)
		}
	})
}

// listed is an api behind which something happens after each page.
type listed struct {
	api
	then func()
}

func (l listed) page(ctx context.Context, table record.Table, pk record.Partition, bounds span, after string, limit int) ([]record.Record, string, error) {
	records, next, err := l.api.page(ctx, table, pk, bounds, after, limit)
	l.then()
	return records, next, err
}

// TestCopies reads windows and backups of a server that has them; nothing that
// it cannot list passes for nothing.
func TestCopies(t *testing.T) {
	const made, ends = 1770000000.0, 1773000000.0
	denied := ""
	pages := 0
	f := newFake(t)
	f.handler = func(operation string, in map[string]any) (int, any) {
		if operation == denied {
			return 400, map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException", "message": "no"}
		}
		table, _ := in["TableName"].(string)
		keys := strings.HasSuffix(table, "keys")
		switch operation {
		case "DescribeContinuousBackups":
			status, days := "ENABLED", 1
			if !keys {
				status, days = "DISABLED", 35
			}
			return 200, map[string]any{"ContinuousBackupsDescription": map[string]any{"ContinuousBackupsStatus": "ENABLED",
				"PointInTimeRecoveryDescription": map[string]any{"PointInTimeRecoveryStatus": status, "RecoveryPeriodInDays": days}}}
		case "ListBackups":
			if in["BackupType"] != "ALL" {
				t.Errorf("request for backups of type %v", in["BackupType"])
			}
			if !keys {
				return 200, map[string]any{"BackupSummaries": []any{}}
			}
			pages++
			if in["ExclusiveStartBackupArn"] == nil {
				return 200, map[string]any{"LastEvaluatedBackupArn": "arn:1", "BackupSummaries": []any{
					map[string]any{"BackupArn": "arn:1", "BackupStatus": "AVAILABLE", "BackupCreationDateTime": made},
					map[string]any{"BackupArn": "arn:0", "BackupStatus": "DELETED", "BackupCreationDateTime": made},
				}}
			}
			return 200, map[string]any{"BackupSummaries": []any{
				map[string]any{"BackupArn": "arn:2", "BackupStatus": "AVAILABLE", "BackupCreationDateTime": made, "BackupExpiryDateTime": ends},
			}}
		}
		t.Errorf("request for %s", operation)
		return 400, map[string]any{}
	}
	s := newStore(f.client(t), "w", func() string { return "" })
	got, err := s.Copies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range got {
		if c.Covered {
			lines = append(lines, fmt.Sprint(c.Kind, " ", c.Window, " ", c.Made.Unix(), " ", c.Expires.Unix()))
		}
	}
	none := time.Time{}.Unix()
	want := []string{
		fmt.Sprint("point_in_time 24h0m0s ", none, " ", none),
		fmt.Sprint("backup 0s ", int64(made), " ", none),
		fmt.Sprint("backup 0s ", int64(made), " ", int64(ends)),
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") || pages != 2 {
		t.Errorf("%d pages, got\n%s\nwant\n%s", pages, strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if want := "not covered: recovery points of AWS Backup"; !slices.Contains(uncovered(got), want) {
		t.Errorf("%v lacks %q", uncovered(got), want)
	}
	for _, denied = range []string{"ListBackups", "DescribeContinuousBackups"} {
		if _, err := s.Copies(t.Context()); !errors.Is(err, record.ErrUnavailable) || !strings.Contains(hintOf(err), denied) {
			t.Errorf("%s denied: %v", denied, err)
		}
	}
}

// uncovered are the places of which a list reports as unknown.
func uncovered(all []record.Copy) []string {
	var places []string
	for _, c := range all {
		if !c.Covered {
			places = append(places, "not covered: "+c.What)
		}
	}
	return places
}

// TestCopiesUntold: an answer that lacks the requested fact never passes for
// "no copies". Only a server on this machine may know no such operation, and then
// that is listed.
func TestCopiesUntold(t *testing.T) {
	unknown := says(400, "UnknownOperationException", "")
	whole := answer{body: `{"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}}}`}
	for name, c := range map[string]struct {
		windows, backups answer
		away             bool
		lacks            string // the text of the error or the list
		fails            bool
	}{
		"all is told":                 {whole, answer{body: `{"BackupSummaries": []}`}, true, "AWS Backup", false},
		"nothing of windows":          {answer{}, answer{}, false, "the point-in-time window of table blue_dialogues", true},
		"nothing of point in time":    {answer{body: `{"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED"}}`}, answer{}, false, "the point-in-time window of table blue_dialogues", true},
		"no status":                   {answer{body: `{"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": {}}}`}, answer{}, false, "the point-in-time window of table blue_dialogues", true},
		"windows unknown elsewhere":   {unknown, answer{}, true, "the point-in-time window of table blue_dialogues", true},
		"backups unknown elsewhere":   {whole, unknown, true, "the backups of table blue_dialogues", true},
		"windows unknown to this one": {unknown, answer{}, false, "the point-in-time window of table blue_keys: the server at ", false},
		"backups unknown to this one": {whole, unknown, false, "the backups of table blue_keys: the server at ", false},
	} {
		f := newFake(t)
		f.handler = func(operation string, _ map[string]any) (int, any) {
			a := c.backups
			if operation == "DescribeContinuousBackups" {
				a = c.windows
			}
			return statusOf(a.status), json.RawMessage(cmp.Or(a.body, "{}"))
		}
		asked := f.client(t)
		asked.Local = !c.away
		got, err := newStore(asked, "w", func() string { return "" }).Copies(t.Context())
		says := strings.Join(uncovered(got), "\n")
		if c.fails {
			says = fmt.Sprint(err)
		}
		if errors.Is(err, record.ErrUnavailable) != c.fails || err != nil && !c.fails || !strings.Contains(says, c.lacks) {
			t.Errorf("%s: %v, %v; want %q", name, got, err, c.lacks)
		}
	}
}

// TestIdentity: a store is known by the ARNs of its tables, and one that does
// not tell them by nothing.
func TestIdentity(t *testing.T) {
	f, arn := newFake(t), "arn:aws:dynamodb:eu-central-1:111122223333:table/"
	f.handler = func(operation string, in map[string]any) (int, any) {
		if operation != "DescribeTable" {
			t.Errorf("request for %s", operation)
		}
		if arn == "" {
			return 200, map[string]any{"Table": map[string]any{}}
		}
		return 200, map[string]any{"Table": map[string]any{"TableArn": arn + in["TableName"].(string)}}
	}
	s := newStore(f.client(t), "w", func() string { return "" })
	got, err := s.Identity(t.Context())
	if err != nil || !slices.Equal(got, []string{arn + "blue_dialogues", arn + "blue_keys"}) {
		t.Errorf("%v, %v", got, err)
	}
	arn = ""
	if got, err := s.Identity(t.Context()); !errors.Is(err, record.ErrUnavailable) {
		t.Errorf("no ARN: %v, %v", got, err)
	}
}

// TestCopiesLocal: DynamoDB Local has neither windows nor backups, and says so;
// its files are not covered. Its tables have ARNs.
func TestCopiesLocal(t *testing.T) {
	localtest.Endpoint(t)
	s := newStore(localClient(t), "w", func() string { return "" })
	got, err := s.Copies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	places := uncovered(got)
	if len(places) != len(got) || len(places) != 7 || !strings.Contains(strings.Join(places, "\n"), "knows none") {
		t.Errorf("%+v", got)
	}
	if name, err := s.Identity(t.Context()); err != nil || len(name) != 2 || name[0] == name[1] {
		t.Errorf("%v, %v", name, err)
	}
}
