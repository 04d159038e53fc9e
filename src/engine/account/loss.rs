//! What an end of the daemon that was none may have cost. Whoever asks for acks knows by itself what was not stored; for
//! all others the log says that there may be a gap, and of which size at most.

use crate::clock::rfc3339;
use crate::config;
use crate::kept::LeftOver;
use crate::record::Record;

/// The bytes of the shortest event line.
const SHORTEST: u64 = 3;

/// How much of what clients have written can be in memory only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Connections at once, those that wait to be accepted included.
    pub connections: u64,
    /// Bytes that one connection holds: in its socket, and read from it.
    pub connection_bytes: u64,
    /// Bytes that wait for the writer.
    pub queue_bytes: u64,
}

/// How the last run ended without a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Crash {
    /// With the host.
    pub rebooted: bool,
    /// The connections that ended with it; none if that is not known.
    pub not_kept: Option<u64>,
    /// When the last line was stored that is there, nanoseconds since 1970.
    pub since_ns: i64,
}

impl Exposure {
    /// Of a daemon of this configuration that reads so many bytes of a connection at a time.
    pub fn of(ingest: &config::Ingest, read: usize) -> Self {
        Self {
            connections: (ingest.max_connections as u64).saturating_add(waiting_connections()),
            connection_bytes: socket_bytes().saturating_add(read as u64),
            queue_bytes: ingest.queue_bytes as u64,
        }
    }

    /// What may be missing of so many connections: the record of it. Times are nanoseconds since 1970.
    pub fn gap(
        &self,
        reason: &'static str,
        connections: u64,
        since_ns: i64,
        until_ns: i64,
    ) -> Record {
        let bytes = connections.saturating_mul(self.connection_bytes);
        let bytes = bytes.saturating_add(self.queue_bytes);
        Record::Gap {
            reason,
            uid: None,
            events: bytes / SHORTEST,
            bytes,
            exact: false,
            since: rfc3339(since_ns),
            until: rfc3339(until_ns),
        }
    }

    /// What a crash may have cost, if it may have cost anything.
    pub(in crate::engine) fn after(&self, crash: Crash, now_ns: i64) -> Option<Record> {
        let Crash { rebooted, not_kept, since_ns } = crash;
        // A clock that was set back while nobody ran: the order of the two is what counts.
        let until_ns = now_ns.max(since_ns);
        match (rebooted, not_kept) {
            (true, _) => Some(self.gap("host_crash", self.connections, since_ns, until_ns)),
            // All of them go on, and with them all that the queue held.
            (false, Some(0)) => None,
            (false, Some(connections)) => Some(self.gap("killed", connections, since_ns, until_ns)),
            (false, None) => Some(self.gap("killed", self.connections, since_ns, until_ns)),
        }
    }
}

/// Lines that the last run had refused without a record, and of which it had yet to say how many. Some may have been
/// taken in again. Times are nanoseconds since 1970.
pub(in crate::engine) fn not_summarised(
    left: LeftOver,
    since_ns: i64,
    now_ns: i64,
) -> Option<Record> {
    let LeftOver { refused_lines: events, refused_bytes: bytes, .. } = left;
    (events > 0).then(|| Record::Gap {
        reason: "not_summarised",
        uid: None,
        events,
        bytes,
        exact: false,
        since: rfc3339(since_ns),
        until: rfc3339(now_ns.max(since_ns)),
    })
}

/// Bytes that a client's socket holds at most until they are read (socket(7), wmem_default and wmem_max, of which
/// SO_SNDBUF takes the double). Only root can force more.
fn socket_bytes() -> u64 {
    let limits = ["wmem_default", "wmem_max"].map(|name| of_sockets(name).unwrap_or(212_992));
    limits[0].max(limits[1].saturating_mul(2))
}

/// Connections that wait to be accepted at most (listen(2)).
fn waiting_connections() -> u64 {
    of_sockets("somaxconn").unwrap_or(4_096)
}

/// A limit of the kernel. Not every container sees it.
fn of_sockets(name: &str) -> Option<u64> {
    std::fs::read_to_string(format!("/proc/sys/net/core/{name}")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_a_gap_unless_all_connections_go_on() {
        let exposure = Exposure { connections: 100, connection_bytes: 1_000, queue_bytes: 500 };
        for (rebooted, not_kept, wanted) in [
            (false, Some(0), None),
            (false, Some(2), Some(("killed", 2_500))),
            (false, None, Some(("killed", 100_500))),
            (true, None, Some(("host_crash", 100_500))),
            (true, Some(0), Some(("host_crash", 100_500))),
        ] {
            let crash = Crash { rebooted, not_kept, since_ns: 5 };
            let found = exposure.after(crash, 9).map(|gap| match gap {
                Record::Gap { reason, bytes, events, exact: false, uid: None, .. } => {
                    assert_eq!(events, bytes / 3);
                    (reason, bytes)
                }
                other => panic!("{other:?}"),
            });
            assert_eq!(found, wanted);
        }
    }
}
