//! Users who exceed their quota, for people.

use std::collections::BTreeMap;

use indicatif::HumanDuration;
use jiff::Timestamp;

use crate::metrics::AccountSnapshot;
use crate::words::count;

/// How long it is mentioned that somebody did, seconds.
const RECENTLY: u64 = 60;
/// More users than this are only counted.
const MOST: usize = 8;

/// A line about each user who is slowed, or was within the last minute.
pub(super) fn lines(
    accounts: &BTreeMap<u32, AccountSnapshot>,
    now: Timestamp,
    line: &mut dyn FnMut(&str, String),
) {
    let now = u64::try_from(now.as_second()).unwrap_or(0);
    let recent = |account: &AccountSnapshot| {
        account.slowed > 0
            || account.slowed_at > 0 && now.saturating_sub(account.slowed_at) < RECENTLY
    };
    let slowed: Vec<_> = accounts.iter().filter(|(_, account)| recent(account)).collect();
    for (uid, account) in slowed.iter().take(MOST) {
        line("slowed", format!("uid {uid}: {}", text(account)));
    }
    if slowed.len() > MOST {
        line("slowed", format!("and {} more", count((slowed.len() - MOST) as u64, "user")));
    }
}

fn text(account: &AccountSnapshot) -> String {
    let mut text = match account.slowed {
        0 => "was over its quota a moment ago".into(),
        n => format!("over its quota, {} not read for now", count(n, "connection")),
    };
    let waited = std::time::Duration::from_millis(account.slowed_ms);
    text.push_str(&format!("; waited {} in all since the start", HumanDuration(waited)));
    if account.turned_away > 0 {
        text.push_str(&format!("; {} closed at once", count(account.turned_away, "connection")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_slowed_and_who_was_a_moment_ago_is_named() {
        let account = |slowed, slowed_at| AccountSnapshot {
            slowed,
            slowed_at,
            slowed_ms: 90_000,
            ..AccountSnapshot::default()
        };
        let accounts = [(1, account(3, 1)), (2, account(0, 990)), (3, account(0, 900))];
        let now = Timestamp::from_second(1000).expect("a time");
        let mut found = Vec::new();
        lines(&BTreeMap::from(accounts), now, &mut |_, text| found.push(text));
        let expected = [
            "uid 1: over its quota, 3 connections not read for now; waited 2 minutes in all since the start",
            "uid 2: was over its quota a moment ago; waited 2 minutes in all since the start",
        ];
        assert_eq!(found, expected);
    }
}
