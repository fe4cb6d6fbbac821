// Package keyscampaign kills the commands on keys at each of their steps on both
// stores.
//
// The commands are rotate, grant, revoke, rewrap and erase. On SQLite a process
// dies at a mark in its code. On DynamoDB it dies at one of its requests. Kills
// of writers are in internal/testing/campaign and
// internal/testing/cloudcampaign. The answers of commands that are not killed
// are tested in cmd/blue-store, encrypted and erasure.
//
// The package has only tests. They have three lengths: -short, the ordinary one,
// and BLUE_CAMPAIGN=long. With BLUE_FIGURES=1 each test writes its counts to
// docs/figures/{name}.json.
package keyscampaign
