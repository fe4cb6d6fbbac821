-- The keys file, schema 1: rows as in schema.sql, in a file of their own so
-- that the wrapped keys can be backed up, kept and destroyed on other terms
-- than the data.
PRAGMA application_id = 1114404171; -- "BluK"
PRAGMA user_version = 1;

CREATE TABLE blue_keys (
  PK    TEXT COLLATE BINARY NOT NULL,
  SK    TEXT COLLATE BINARY NOT NULL,
  attrs TEXT NOT NULL,
  blobs BLOB NOT NULL,
  PRIMARY KEY (PK, SK)
) STRICT, WITHOUT ROWID;
