//! How the anchors are, for people.

use super::super::output::Look;
use crate::control;
use crate::metrics::AnchorStatus;
use crate::words::count;

/// The lines about the anchors.
pub(super) fn lines(daemon: &control::Status, look: &Look, line: &mut dyn FnMut(&str, String)) {
    if daemon.anchors.is_empty() {
        line("anchors", "none: nothing outside this host vouches for the log".into());
    }
    for anchor in &daemon.anchors {
        let mut text = format!("{}: {}", anchor.anchor, delivered(anchor, look));
        if let Some(error) = &anchor.error {
            let since = anchor.failing_since.as_deref().unwrap_or_default();
            text.push_str(&format!("; failing since {}: {error}", look.time_of(since)));
        }
        line("anchor", text);
    }
}

fn delivered(anchor: &AnchorStatus, look: &Look) -> String {
    match (anchor.size, &anchor.delivered) {
        (Some(size), Some(at)) => {
            format!("has the first {}, since {}", count(size, "line"), look.time_of(at))
        }
        _ => "has no checkpoint yet".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_says_what_it_has_and_what_is_wrong() {
        let mut anchor = AnchorStatus {
            anchor: "file /x".into(),
            size: Some(1_234),
            delivered: Some("2026-11-21T01:00:00.000000000Z".into()),
            error: None,
            failing_since: None,
        };
        let look = Look::plain();
        let text = "has the first 1,234 lines, since 2026-11-21T01:00:00.000000000Z";
        assert_eq!(delivered(&anchor, &look), text);
        (anchor.size, anchor.delivered) = (None, None);
        assert_eq!(delivered(&anchor, &look), "has no checkpoint yet");
    }
}
