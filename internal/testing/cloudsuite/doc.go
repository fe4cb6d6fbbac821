// Package cloudsuite runs the whole suite of storetest on sealed stores in
// DynamoDB Local, with keys in a file and with keys in KMS. The suites that need
// no server, or no seal, run in packages encrypted, memory, sqlite and dynamo.
//
// What belongs here: those runs, apart from package encrypted because they take
// minutes. What does not: cases (storetest) and harnesses (internal/testing/sealedtest).
package cloudsuite
