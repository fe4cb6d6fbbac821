// Package cloudsuite runs the suite of storetest on sealed stores in DynamoDB
// Local, with keys in a file and with keys in KMS.
//
// These runs are apart from package encrypted because they take minutes. The
// suites that need no server, or no seal, run in packages encrypted, memory,
// sqlite and dynamo. The cases are in storetest and the harnesses in
// internal/testing/sealedtest.
package cloudsuite
