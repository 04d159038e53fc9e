-- The tables of audit.db. A block is 8,192 consecutive sequence numbers: an index that starts with the block
-- grows at its end, so that its cost stays the same however large the log becomes.

CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  log_id TEXT NOT NULL,
  indexed INTEGER NOT NULL
) STRICT;

-- What is stored of an event. The view `events` has the columns that follow from these: SQLite would compute
-- them with each insertion.
CREATE TABLE event_rows (
  seq INTEGER PRIMARY KEY,
  ts_ns INTEGER NOT NULL,
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
  uid INTEGER,
  gid INTEGER,
  pid INTEGER,
  unit TEXT,
  exe TEXT,
  mac BLOB NOT NULL,
  event TEXT NOT NULL
) STRICT;

CREATE INDEX events_ts ON event_rows (ts_ns, event_type);
CREATE INDEX events_failure ON event_rows (seq) WHERE outcome = 'failure';
CREATE INDEX events_severe ON event_rows (seq, priority) WHERE priority <= 3;

-- Which rows of a block have a value in a field: `places` is a JSON array of their numbers within the block. Fields are
-- 1 actor, 2 client_id, 3 correlation_id, 4 event_type, 5 session_id, 6 source. Each transaction adds its own, so a
-- value may have several in a block.
CREATE TABLE postings (
  block INTEGER NOT NULL,
  field INTEGER NOT NULL,
  value TEXT NOT NULL,
  places TEXT NOT NULL,
  PRIMARY KEY (block, field, value, places)
) STRICT, WITHOUT ROWID;

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
