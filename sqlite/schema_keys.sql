-- The keys file, schema 1. Its rows are as in schema.sql. It is a separate file, so
-- that the wrapped keys can be backed up, kept and destroyed apart from the data.
PRAGMA application_id = 1114404171; -- "BluK"
PRAGMA user_version = 1;

CREATE TABLE blue_keys (
  PK    TEXT COLLATE BINARY NOT NULL,
  SK    TEXT COLLATE BINARY NOT NULL,
  attrs TEXT NOT NULL,
  blobs BLOB NOT NULL,
  PRIMARY KEY (PK, SK)
) STRICT, WITHOUT ROWID;
