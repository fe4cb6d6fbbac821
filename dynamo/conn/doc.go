// Package conn connects to DynamoDB. It checks the configuration, builds the
// client, names the physical tables, and translates the SDK's errors into
// faults that say what happened, what it means and what to type.
//
// It knows neither the commit protocol (package dynamo) nor the definition of
// the tables (package dynamo/tables). The endpoint and credential rules are in
// internal/awsclient. Nothing here reads the environment.
package conn
