// Package trustmodel is an executable model of the trust format, decision 0019.
//
// The model has stores, honest clients and an attacker. It searches random
// histories for a forgery that a client accepts, and for an honest interrupted
// state that a client calls tampered. Signatures are symbolic: an attacker can
// sign with a key only if the attacker holds it. Hashes are SHA-256 over text.
//
// The files in reading order: format_test.go has the rows and their hashes,
// verify_test.go has the rules of a verifier, client_test.go has the operations
// of honest clients, attack_test.go has the attacker, and search_test.go has
// the properties and the tests.
//
// The model does not have the parsing of rows, ciphertexts, clocks, KMS and the
// limits of a commit. It imports no package of the product.
package trustmodel
