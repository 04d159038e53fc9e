//! The sentences that say by which rule something was deleted.

use crate::maintain::scan::Kept;
use crate::retention::DAY_SECONDS;

/// The most sentences in one record.
const MOST: usize = 4;

/// For how long a segment was kept; `early`: since space was low, and nothing goes that is younger than so many
/// days.
pub(super) fn sentence(kept: &Kept, early: Option<u64>) -> String {
    let (shortest, longest) =
        (kept.shortest_seconds / DAY_SECONDS, kept.longest_seconds / DAY_SECONDS);
    let kept = match shortest == longest {
        true => format!("kept for {}", days(shortest)),
        false => format!("kept for {shortest} to {}, each event by its rule", days(longest)),
    };
    match early {
        Some(least) => format!("space was low, and min_keep_days is {least}: {kept}"),
        None => kept,
    }
}

fn days(n: u64) -> String {
    if n == 1 { "1 day".into() } else { format!("{n} days") }
}

/// Several as one, each once.
pub(super) fn together<'s>(sentences: impl Iterator<Item = &'s String>) -> String {
    let mut different: Vec<&str> = Vec::new();
    for sentence in sentences {
        if !different.contains(&sentence.as_str()) {
            different.push(sentence);
        }
    }
    if different.len() > MOST {
        different.truncate(MOST);
        different.push("and by other rules");
    }
    different.join("; ")
}
