// Package bureau is an embossing house in a box, for rehearsals and tests: a real SFTP server that takes finished files, decrypts them, proves
// the sender's signature, parses them with their layout, checks every record as a bureau would, with its own keys, and answers with ack and status files.
//
// It keeps ciphertext only. Its decisions depend on its seed and a record's identifier and on nothing else, and what it has answered can be seen in its
// directories: killed at any moment and started again, it loses no answer and gives none twice.
package bureau
