-- The views of audit.db: made anew whenever the daemon opens it. {log} stands for the first 12 digits of the log's id.

CREATE VIEW events AS
SELECT seq, ts_ns,
       strftime('%Y-%m-%dT%H:%M:%S', ts_ns / 1000000000 - (ts_ns % 1000000000 < 0), 'unixepoch') || printf('.%09dZ', (ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
       iif(client_id IS NULL, '{log}-' || seq, client_id) AS id, client_id, event_type, priority, source, actor, action, outcome,
       target, client_ip, session_id, correlation_id, operation, duration_ms, client_ts_ns,
       strftime('%Y-%m-%dT%H:%M:%S', client_ts_ns / 1000000000 - (client_ts_ns % 1000000000 < 0), 'unixepoch') || printf('.%09dZ', (client_ts_ns % 1000000000 + 1000000000) % 1000000000) AS client_ts,
       uid, gid, pid, unit, exe, mac, event
FROM event_rows;

CREATE VIEW log AS
SELECT seq, ts, iif(priority BETWEEN 0 AND 7, json_extract('["emerg","alert","crit","err","warning","notice","info","debug"]', '$[' || priority || ']'), NULL) AS priority,
       source, event_type, actor, action, outcome, target, uid, unit
FROM events ORDER BY seq DESC;

CREATE VIEW detail AS
SELECT seq, ts, id, client_id, event_type, priority, source, actor, action, outcome, target, client_ip, session_id,
       correlation_id, operation, duration_ms, client_ts, uid, gid, pid, unit, exe,
       lower(hex(mac)) AS mac, event
FROM events;

CREATE VIEW failures AS
SELECT seq, ts, source, event_type, actor, action, target, client_ip, uid, unit
FROM events WHERE outcome = 'failure' ORDER BY seq DESC;

CREATE VIEW severe AS
SELECT seq, ts, priority, source, event_type, actor, action, outcome, target, uid, unit
FROM events WHERE priority <= 3 ORDER BY seq DESC;

CREATE VIEW privileged AS
SELECT seq, ts, source, event_type, actor, action, outcome, target, pid, unit, exe
FROM events WHERE uid = 0 AND event_type NOT GLOB 'auditlogd.*' ORDER BY seq DESC;

-- The postings know how many events of a type a block has. What is counted one by one: events of a block that began
-- yesterday, and those without a type.
CREATE VIEW by_type_today AS
WITH today (start) AS MATERIALIZED (SELECT unixepoch('now', 'start of day') * 1000000000),
     counted (event_type, events) AS (
       SELECT p.value, json_array_length(p.places)
       FROM today CROSS JOIN blocks b CROSS JOIN postings p
       WHERE b.first_ts_ns >= start AND p.block = b.block AND p.field = 4
       UNION ALL
       SELECT e.event_type, 1
       FROM today CROSS JOIN blocks b CROSS JOIN event_rows e
       WHERE b.first_ts_ns < start AND b.last_ts_ns >= start
         AND e.seq BETWEEN b.block * 8192 AND b.block * 8192 + 8191 AND e.ts_ns >= start AND e.event_type IS NOT NULL
       UNION ALL
       SELECT NULL, 1 FROM today CROSS JOIN event_rows e WHERE e.ts_ns >= start AND e.event_type IS NULL)
SELECT event_type, sum(events) AS events FROM counted GROUP BY event_type ORDER BY events DESC;

CREATE VIEW hourly AS
SELECT strftime('%Y-%m-%dT%H:00Z', ts_ns / 1000000000, 'unixepoch') AS hour, event_type, count(*) AS events
FROM events WHERE ts_ns >= (unixepoch('now') / 3600 - 23) * 3600 * 1000000000
GROUP BY ts_ns / 3600000000000, event_type ORDER BY ts_ns / 3600000000000 DESC, events DESC;

CREATE VIEW daemon AS
SELECT seq, ts, substr(event_type, 11) AS record, priority, action, event ->> '$.data' AS data, uid, pid, unit
FROM by_event_type WHERE event_type >= 'auditlogd.' AND event_type < 'auditlogd/';

CREATE VIEW rejected AS
SELECT seq, ts, uid, pid, unit, exe, event ->> '$.data.code' AS code, event ->> '$.data.message' AS message,
       event ->> '$.data.line' AS line, event ->> '$.data.bytes' AS bytes, event ->> '$.data.raw' AS raw_base64
FROM by_event_type WHERE event_type = 'auditlogd.rejected';

CREATE VIEW runs AS
SELECT seq, ts, substr(event_type, 11) AS record, event ->> '$.data.version' AS version,
       event ->> '$.data.boot_id' AS boot_id, action
FROM by_event_type
WHERE event_type IN ('auditlogd.log_created', 'auditlogd.started', 'auditlogd.stopped', 'auditlogd.recovered');
