// Package cloudcampaign holds the tests that disturb the connection between the sealed
// store and DynamoDB: requests lost, answered too late, delivered late or
// twice, refused for a while or for good, writers that stop or sleep anywhere.
//
// This package tests the whole store, sealed, over DynamoDB Local behind
// internal/testing/faultproxy, and the program against such a server. What does not:
// what the protocol can show in virtual time against a model (dynamo), single
// faults of the client (dynamo), and the campaigns without a server
// (internal/testing/campaign).
//
// There is nothing here but tests. They have three lengths: -short, the
// ordinary one, and BLUE_CAMPAIGN=long. With BLUE_FIGURES=1 each writes what it
// counted to docs/figures/{name}.json.
package cloudcampaign
