//! What an end of the daemon that was none may have cost. Whoever asks for acks knows by itself what was not stored; for
//! all others the log says that there may be a gap, and of which size at most.

use std::ops::Range;

use crate::clock::rfc3339;
use crate::config::Ingest;
use crate::kept::LeftOver;
use crate::record::Record;

/// The bytes of the shortest event line.
pub const SHORTEST: u64 = 3;

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

impl Exposure {
    /// Of a daemon of this configuration that reads so many bytes of a connection at a time.
    pub fn of(ingest: &Ingest, read: usize) -> Self {
        Self {
            connections: (ingest.max_connections.saturating_mul(Ingest::TIMES_SERVED) as u64)
                .saturating_add(waiting_connections()),
            connection_bytes: socket_bytes().saturating_add(read as u64),
            queue_bytes: ingest.queue_bytes as u64,
        }
    }

    /// The record of what may be missing of so many connections; times are nanoseconds since 1970.
    pub fn gap(&self, reason: &'static str, connections: u64, time_ns: Range<i64>) -> Record {
        let bytes = connections.saturating_mul(self.connection_bytes);
        let bytes = bytes.saturating_add(self.queue_bytes);
        bounded(reason, bytes / SHORTEST, bytes, time_ns)
    }
}

/// What the last run may have cost: the records of it. `crashed` says whether the host rebooted, if the run did not
/// end with a stop; `left` is what it left over, if a service manager kept that; the times are that of the last line
/// that was stored and now, nanoseconds since 1970.
pub(in crate::engine) fn gaps(
    exposure: Exposure,
    crashed: Option<bool>,
    left: Option<LeftOver>,
    time_ns: Range<i64>,
) -> Vec<Record> {
    let lost = match (crashed, left) {
        (None, _) => None,
        (Some(true), _) => Some(("host_crash", exposure.connections)),
        (Some(false), None) => Some(("killed", exposure.connections)),
        // All of them go on, and with them all that the queue held.
        (Some(false), Some(LeftOver { not_kept: 0, .. })) => None,
        (Some(false), Some(LeftOver { not_kept, .. })) => Some(("killed", not_kept)),
    };
    let lost = lost.map(|(reason, connections)| exposure.gap(reason, connections, time_ns.clone()));
    // Some of them may have been taken in again, and have a record now.
    let refused = left.filter(|left| left.refused_lines > 0).map(|left| {
        bounded("not_summarised", left.refused_lines, left.refused_bytes, time_ns.clone())
    });
    lost.into_iter().chain(refused).collect()
}

fn bounded(reason: &'static str, events: u64, bytes: u64, time_ns: Range<i64>) -> Record {
    let Range { start: since_ns, end: until_ns } = time_ns;
    // A clock that was set back while nobody ran: the order of the two is what counts.
    let (since, until) = (rfc3339(since_ns), rfc3339(until_ns.max(since_ns)));
    Record::Gap { reason, uid: None, events, bytes, exact: false, since, until }
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
        let left = |not_kept| Some(LeftOver { not_kept, ..LeftOver::default() });
        for (crashed, left, wanted) in [
            (None, None, None),
            (None, left(7), None),
            (Some(false), left(0), None),
            (Some(false), left(2), Some(("killed", 2_500))),
            (Some(false), None, Some(("killed", 100_500))),
            (Some(true), None, Some(("host_crash", 100_500))),
        ] {
            let found = gaps(exposure, crashed, left, 5..9).pop().map(|gap| match gap {
                Record::Gap { reason, bytes, events, exact: false, uid: None, .. } => {
                    assert_eq!(events, bytes / 3);
                    (reason, bytes)
                }
                other => panic!("{other:?}"),
            });
            assert_eq!(found, wanted, "{crashed:?} {left:?}");
        }
    }
}
