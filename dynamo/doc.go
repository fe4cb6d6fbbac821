// Package dynamo is the record.Store over DynamoDB: DynamoDB Local on a
// laptop and DynamoDB in AWS by the same code; only the endpoint differs.
//
// What belongs here: the protocol that makes a commit of any size one
// transaction (store.go, settle.go, log.go, turns.go), the client that speaks it (client.go), the
// definition of the tables (tables.go), and the turning of the SDK's errors
// into ours. What does not: entities (internal/engine), ciphers and keys
// (encrypted, envelope, keys), where the endpoint comes from (cmd), and how a
// local server is started (internal/testing/dynamolocal).
//
// # Protocol
//
// The commit point is always one TransactWriteItems. It replaces the head
// (meta) on the condition that its item_mac is the one that was loaded and that
// it carries no pending log and no lease; new items must not exist, changed
// ones must have their old item_mac, the audit event must not exist.
//
//   - Small (at most 100 actions and 3.8 MB): that transaction is all.
//   - Big (log.go): begin checks that the new records do not exist; log items
//     take them; the transaction sets _pending on the head and checks that each
//     log item exists; then apply, clear, delete the log. A reader lays a pending
//     log over what it reads, so it sees all or nothing at once. Whoever loads
//     for an update first rolls a pending log forward (prepare, drain).
//   - A lost answer (settle.go): the request is repeated with the same bytes and
//     token, a bounded number of times. Then the fence is put at the key of the
//     audit event, must-not-exist. If it lands, the commit never can
//     (VoidedError). If the event stands there, the commit has landed, and is
//     acknowledged when TransactGetItems of its keys has passed.
//   - A refusal is final only under two conditions. First, what is unmet never
//     holds again: the head has another item_mac, or an item exists. The store
//     waits for a log or a lease in the way and sends the same transaction again.
//     It settles a missing log item, or a budget spent on contention, by the
//     fence. Second, the commit's own event is absent, read by TransactGetItems
//     after the refusal and after the read of the head. A request that was sent
//     once can be delivered twice. Then the first copy is refused because of a
//     lease and the second one is written, or the second one is refused because
//     of the first. If the event is stored, the commit is acknowledged. So a
//     ConflictError or VoidedError is definite whatever is still under way, and
//     nothing depends on the service's memory of tokens. A commit without an
//     event (keys, the tombstone) has no such proof, and its caller reads again.
//   - A log is deleted only after a definite answer that it is pending no more,
//     or, left over by a crashed writer, by a transaction that checks that the
//     head is the one just read (sweep). So a log that is pending and not whole
//     was tampered with.
//   - Leases (turns.go) are advice against starvation.
//
// What it rests on: TransactWriteItems is atomic and its conditions are
// checked with all its items locked; GetItem and Query are strongly consistent
// for each item; TransactGetItems is refused while any of its items is locked;
// no item_mac comes twice; and a decided transaction is visible everywhere
// within Settle's time. The last one only false alarms depend on: a new item
// that is decided and not yet visible is in no list that could be asked for it.
//
// The simulation (simulation_test.go) runs this code over a model of all that,
// with crashes, lost, late and doubled messages, and shows that it catches the
// protocol's classical mistakes (bugs_test.go).
package dynamo
