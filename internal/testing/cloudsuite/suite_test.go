package cloudsuite

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/storetest"
)

func TestMain(m *testing.M) {
	localtest.Main(m)
}

func dynamoDB(t *testing.T) record.Store { return dynamotest.Store(t) }

func TestSuiteDynamoDB(t *testing.T) {
	campaigntest.SkipShort(t) // TestSuiteDynamoDBWithKMS runs the suite on DynamoDB
	t.Parallel()              // the tests wait for the server most of the time
	storetest.Run(t, sealedtest.File(t, dynamoDB))
}

func TestSuiteDynamoDBWithKMS(t *testing.T) {
	t.Parallel()
	storetest.Run(t, sealedtest.KMS(t, dynamoDB))
}
