//! Lines of the ledger.
use auditlogd::ledger::line::{Body, parse, peek_seq, push_event, push_tail};

/// One input.
pub fn run(bytes: &[u8]) {
    let Ok(line) = parse(bytes) else { return };
    assert_eq!(peek_seq(bytes), Some(line.seq));
    if let Body::Event { peer, event } = line.body {
        let ts = auditlogd::clock::rfc3339(line.ts_ns);
        let mut again = Vec::new();
        push_event(&mut again, line.seq, &ts, line.id.as_bytes(), peer, event.as_bytes());
        push_tail(&mut again, &line.mac);
        assert_eq!(again, bytes, "one line has one form");
    }
}
