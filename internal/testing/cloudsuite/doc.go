// Package cloudsuite runs the suite of storetest on sealed stores in DynamoDB
// Local, with keys in a file and with keys in KMS. It is apart from package
// encrypted because these runs are long. The runs on other stores are in
// packages encrypted, memory, sqlite and dynamo. docs/testing.md lists them.
package cloudsuite
