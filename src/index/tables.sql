-- The tables of audit.db. {log} stands for the first 12 digits of the log's id.
-- A block is 8,192 consecutive sequence numbers: an index that starts with the block grows at its
-- end, so that its cost stays the same however large the log becomes.

CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  log_id TEXT NOT NULL,
  indexed INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  ts_ns INTEGER NOT NULL,
  ts TEXT AS (strftime('%Y-%m-%dT%H:%M:%S', ts_ns / 1000000000 - (ts_ns % 1000000000 < 0), 'unixepoch') || printf('.%09dZ', (ts_ns % 1000000000 + 1000000000) % 1000000000)) VIRTUAL,
  id TEXT AS (iif(client_id IS NULL, '{log}-' || seq, client_id)) VIRTUAL,
  client_id TEXT,
  event_type TEXT,
  priority INTEGER,
  source TEXT,
  actor TEXT,
  action TEXT,
  outcome TEXT CHECK (outcome IN ('success', 'failure', 'unknown')),
  target TEXT,
  client_ip TEXT,
  session_id TEXT,
  correlation_id TEXT,
  operation TEXT,
  duration_ms REAL,
  client_ts_ns INTEGER,
  client_ts TEXT AS (strftime('%Y-%m-%dT%H:%M:%S', client_ts_ns / 1000000000 - (client_ts_ns % 1000000000 < 0), 'unixepoch') || printf('.%09dZ', (client_ts_ns % 1000000000 + 1000000000) % 1000000000)) VIRTUAL,
  uid INTEGER,
  gid INTEGER,
  pid INTEGER,
  unit TEXT,
  exe TEXT,
  mac BLOB NOT NULL,
  event TEXT NOT NULL
) STRICT;

CREATE INDEX events_ts ON events (ts_ns, event_type);
CREATE INDEX events_type ON events (seq >> 13, event_type);
CREATE INDEX events_actor ON events (seq >> 13, actor);
CREATE INDEX events_source ON events (seq >> 13, source);
CREATE INDEX events_session ON events (seq >> 13, session_id) WHERE session_id IS NOT NULL;
CREATE INDEX events_correlation ON events (seq >> 13, correlation_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX events_client_id ON events (seq >> 13, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX events_failure ON events (seq) WHERE outcome = 'failure';
CREATE INDEX events_severe ON events (seq) WHERE priority <= 3;

CREATE TABLE blocks (
  block INTEGER PRIMARY KEY,
  first_ts_ns INTEGER NOT NULL,
  last_ts_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE judged (
  block INTEGER PRIMARY KEY,
  rules TEXT NOT NULL,
  keep_seconds INTEGER NOT NULL,
  held INTEGER NOT NULL
) STRICT;

CREATE TABLE seals (
  seq INTEGER PRIMARY KEY,
  ts_ns INTEGER NOT NULL,
  ts TEXT AS (strftime('%Y-%m-%dT%H:%M:%S', ts_ns / 1000000000 - (ts_ns % 1000000000 < 0), 'unixepoch') || printf('.%09dZ', (ts_ns % 1000000000 + 1000000000) % 1000000000)) VIRTUAL,
  epoch INTEGER NOT NULL,
  first_seq INTEGER NOT NULL,
  size INTEGER NOT NULL,
  root TEXT NOT NULL,
  prev TEXT NOT NULL,
  next_pub TEXT NOT NULL,
  reason TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  boottime_ns INTEGER NOT NULL,
  line TEXT NOT NULL
) STRICT;

CREATE TABLE segments (
  number INTEGER PRIMARY KEY,
  first_seq INTEGER NOT NULL,
  opened TEXT NOT NULL,
  host TEXT NOT NULL
) STRICT;

CREATE TABLE field_maps (
  first_seq INTEGER PRIMARY KEY,
  definition TEXT NOT NULL
) STRICT;
