package dynamo_test

import (
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/plain"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/record/recordtest"
	"github.com/superviber/blue-encrypted-store/storetest"
)

func fresh(t *testing.T) record.Store { return dynamotest.Store(t) }

func TestRecordStore(t *testing.T) {
	t.Parallel()
	configs := map[record.Store]dynamo.Config{}
	skip := map[string]string{}
	if campaigntest.IsShort() { // together half of the time of all cases
		for _, name := range []string{"limit of writes", "limit of bytes"} {
			skip[name] = "skipped: it is not part of the short length (BLUE_CAMPAIGN=ordinary runs it)"
		}
	}
	recordtest.Run(t, recordtest.Harness{
		Open: func(t *testing.T) record.Store {
			c := dynamotest.Config(t)
			s := dynamotest.Open(t, c)
			configs[s] = c
			return s
		},
		Reopen: func(t *testing.T, s record.Store) record.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return dynamotest.Open(t, configs[s])
		},
		Skip: skip,
	})
}

func TestDialogueStore(t *testing.T) {
	campaigntest.SkipShort(t) // internal/testing/cloudsuite runs the suite on a sealed store in DynamoDB
	t.Parallel()
	storetest.Run(t, storetest.Harness{
		Records: fresh,
		Open: func(_ *testing.T, records record.Store, now func() time.Time) storetest.Store {
			return plain.New(records, now)
		},
	})
}
