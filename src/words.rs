//! Numbers as people read them.

use indicatif::HumanCount;

/// `1 file`, `2,912 files`.
pub fn count(n: u64, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {what}{plural}", HumanCount(n))
}
