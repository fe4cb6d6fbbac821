// Package dynamo implements record.Store over DynamoDB. The same code serves
// DynamoDB Local and DynamoDB in AWS. Only the endpoint differs.
//
// The package contains the protocol that makes a commit of any size one
// transaction (store.go, settle.go, log.go) and its client
// (client.go). The client turns errors of the SDK into errors of record. Other
// packages define entities (internal/engine), encrypt (encrypted, envelope,
// keys), choose the endpoint (cmd), define the tables (dynamo/tables) and start
// a local server (internal/testing/dynamolocal).
//
// # Protocol
//
// The commit point is always one TransactWriteItems. It replaces the meta item
// on two conditions: its item_mac is the loaded one, and it has no pending log
// and no lease. New items must not exist, changed items must have their old
// item_mac, and the audit event must not exist.
//
//   - Small commit (at most 100 actions and 3.8 MB): one transaction.
//   - Large commit (log.go): begin checks that the new records do not exist.
//     Log items store them. The transaction sets _pending on the meta item and
//     checks that each log item exists. Then the store applies the log, clears
//     _pending and deletes the log. A reader adds the records of a pending log to
//     its result, so it sees all records of the commit or none. A writer that
//     loads for an update first rolls a pending log forward (prepare, drain).
//   - Lost response (settle.go): the request is repeated with the same bytes and
//     token, a bounded number of times. Then the fence is put at the key of the
//     audit event, on the condition that no item exists. If the fence is written,
//     the commit can never be written (VoidedError). If the event is stored, the
//     commit was written. It is acknowledged when TransactGetItems of its keys
//     succeeds.
//   - Refusal: it is final only under two conditions. First, the unmet condition
//     can never hold again: the meta item has another item_mac, or an item exists.
//     The store waits for a log or a lease in the way and sends the same
//     transaction again. It settles a missing log item, or a budget spent on
//     contention, by the fence. Second, the commit's own event is absent, read by
//     TransactGetItems after the refusal and after the read of the meta item. A
//     request that was sent once can be delivered twice. Then the first copy is
//     refused because of a lease and the second one is written, or the second one
//     is refused because of the first. If the event is stored, the commit is
//     acknowledged. So a ConflictError or VoidedError is definite even if requests
//     are still in flight, and nothing depends on the service's memory of tokens.
//     A commit without an event (keys, the tombstone) has no such proof, and its
//     caller reads again.
//   - A log is deleted after a definite answer that it is no longer pending. The
//     log of a crashed writer is deleted by a transaction that checks that the
//     meta item is the one just read (sweep). So an incomplete pending log was
//     tampered with.
//   - Leases (settle.go) are advisory. They prevent starvation.
//
// The protocol assumes: TransactWriteItems is atomic, and its conditions are
// checked with all its items locked. GetItem and Query are strongly consistent
// for each item. TransactGetItems is refused while any of its items is locked.
// No item_mac occurs twice. A decided transaction is visible everywhere within
// the time of Settle. If only this last assumption fails, the result is a false
// alarm, because a new item that is decided and not yet visible is in no list
// from which a reader could learn its key.
//
// The simulation (simulation_test.go) runs this code over a model of these
// assumptions, with crashes and with lost, late and duplicated messages.
// bugs_test.go shows that it finds the classical mistakes of such a protocol.
package dynamo
