// Package tables defines, creates and compares the three DynamoDB tables of the
// store, and writes them as a CloudFormation template.
//
// The definition is in one place, definition.go. Create, Status and Plan follow
// it. The commit protocol over these tables is in package dynamo, the client in
// package dynamo/conn.
package tables
