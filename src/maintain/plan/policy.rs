//! The sentences that say by which rule something was deleted, and why something was not.

use crate::maintain::scan::Kept;
use crate::retention::DAY_SECONDS;

/// The most sentences in one record.
const MOST: usize = 4;
/// The most numbers, and runs of numbers, that are listed.
const MOST_NUMBERS: usize = 20;

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
pub(super) fn together<'s>(sentences: impl Iterator<Item = &'s str>) -> String {
    let mut different: Vec<&str> = Vec::new();
    for sentence in sentences {
        if !different.contains(&sentence) {
            different.push(sentence);
        }
    }
    if different.len() > MOST {
        different.truncate(MOST);
        different.push("and by other rules");
    }
    different.join("; ")
}

/// That these segments, whose numbers grow, are kept, and why.
pub(super) fn kept(why: &str, numbers: &[u64]) -> String {
    let runs = numbers.chunk_by(|a, b| a.saturating_add(1) == *b);
    let mut listed: Vec<_> = runs
        .take(MOST_NUMBERS)
        .map(|run| match run {
            [first, .., last] => format!("{first} to {last}"),
            _ => run.iter().map(u64::to_string).collect(),
        })
        .collect();
    if numbers.chunk_by(|a, b| a.saturating_add(1) == *b).count() > MOST_NUMBERS {
        listed.push("…".into());
    }
    match numbers.len() {
        1 => format!("segment {} is kept: {why}", listed.concat()),
        count => format!("{count} segments are kept ({}): {why}", listed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_that_are_kept_for_one_reason_are_one_sentence() {
        assert_eq!(kept("w", &[5]), "segment 5 is kept: w");
        assert_eq!(kept("w", &[1, 2, 3, 5, 7, 8]), "6 segments are kept (1 to 3, 5, 7 to 8): w");
        let odd: Vec<u64> = (0..1000).map(|n| n * 2 + 1).collect();
        assert!(kept("w", &odd).ends_with("37, 39, …): w"), "{}", kept("w", &odd));
    }

    #[test]
    fn several_rules_are_told_once_each() {
        assert_eq!(together(["a", "b", "a"].into_iter()), "a; b");
        let many: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        assert_eq!(together(many.iter().map(String::as_str)), "0; 1; 2; 3; and by other rules");
    }
}
