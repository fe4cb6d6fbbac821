// Package awsclient holds the rules that every AWS client of this project
// shares: which endpoint it uses, which credentials sign a request, and the
// class of failure that an error of the SDK stands for.
//
// It reads no environment and sends nothing. The command reads the settings
// (cmd/blue-store). The packages dynamo, keys/awskms and audit/anchor build
// the clients and word the messages.
package awsclient
