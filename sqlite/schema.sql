-- The data file, schema 1. A record is a row:
--   PK, SK  the key, compared byte by byte
--   attrs   a JSON object of its S (string), N (integer) and BOOL attributes
--   blobs   its B attributes ascending by name: 8-byte big-endian length and
--           name, 8-byte big-endian length and value
PRAGMA application_id = 1114404197; -- "Blue"
PRAGMA user_version = 1;

CREATE TABLE blue_dialogues (
  PK    TEXT COLLATE BINARY NOT NULL,
  SK    TEXT COLLATE BINARY NOT NULL,
  attrs TEXT NOT NULL,
  blobs BLOB NOT NULL,
  PRIMARY KEY (PK, SK)
) STRICT, WITHOUT ROWID;

CREATE TABLE blue_audit (
  PK    TEXT COLLATE BINARY NOT NULL,
  SK    TEXT COLLATE BINARY NOT NULL,
  attrs TEXT NOT NULL,
  blobs BLOB NOT NULL,
  PRIMARY KEY (PK, SK)
) STRICT, WITHOUT ROWID;

CREATE INDEX blue_dialogues_gsi1 ON blue_dialogues
  (json_extract(attrs, '$.GSI1PK'), json_extract(attrs, '$.GSI1SK'), PK, SK)
  WHERE json_extract(attrs, '$.GSI1PK') IS NOT NULL;
CREATE INDEX blue_dialogues_gsi2 ON blue_dialogues
  (json_extract(attrs, '$.GSI2PK'), json_extract(attrs, '$.GSI2SK'), PK, SK)
  WHERE json_extract(attrs, '$.GSI2PK') IS NOT NULL;
CREATE INDEX blue_dialogues_gsi3 ON blue_dialogues
  (json_extract(attrs, '$.GSI3PK'), json_extract(attrs, '$.GSI3SK'), PK, SK)
  WHERE json_extract(attrs, '$.GSI3PK') IS NOT NULL;
