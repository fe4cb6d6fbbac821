// Package keyscampaign holds the campaign that kills the commands on keys at
// their steps, on both stores: rotate, grant, revoke, rewrap, erase.
//
// What belongs here: that campaign, and what differs between SQLite, where a
// process dies at a mark in its code, and DynamoDB, where it dies at one of its
// requests. What does not: kills of writers (internal/testing/campaign,
// internal/testing/cloudcampaign), and what the commands answer when nobody dies
// (cmd/blue-store, encrypted, erasure).
//
// There is nothing here but tests. They have three lengths: -short, the
// ordinary one, and BLUE_CAMPAIGN=long. With BLUE_FIGURES=1 each writes what it
// counted to docs/figures/{name}.json.
package keyscampaign
