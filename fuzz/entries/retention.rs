//! Rules of retention and holds: patterns mean what they say, and a rule that covers another matches all of its events.

use auditlogd::retention::{Facts, Match, Rule, Rules};

/// Whether `text` is what `pattern` describes, by trying all.
fn describes(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len()).any(|from| describes(rest, &text[from..])),
        (Some((a, pattern)), Some((b, text))) => a == b && describes(pattern, text),
        _ => false,
    }
}

/// One input: texts, one a line.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Trying all takes its time.
    let texts: Vec<&str> = text.split('\n').take(8).filter(|text| text.len() <= 24).collect();
    let [event_type, actor, patterns @ ..] = &texts[..] else { return };
    let facts = Facts { event_type: Some(event_type), actor: Some(actor), ..Facts::default() };
    let what = |patterns: &[&str]| {
        let event_type = patterns.iter().map(|text| text.to_string()).collect();
        Match { event_type, ..Match::default() }
    };
    let stars = patterns.iter().all(|pattern| pattern.matches('*').count() <= 4);
    for pattern in patterns.iter().filter(|_| stars) {
        let one = what(&[pattern]);
        let described = describes(pattern.as_bytes(), event_type.as_bytes());
        assert_eq!(one.matches(&facts), described, "{pattern:?} {event_type:?}");
    }
    let (wide, narrow) = (what(patterns), what(&patterns[..patterns.len() / 2]));
    for (a, b) in [(&wide, &narrow), (&narrow, &wide)] {
        let meets = a.matches(&facts) || !b.matches(&facts);
        assert!(!a.covers(b) || meets, "{a} covers {b}, and not {event_type:?}");
    }
    let _ = (wide.check(), wide.to_string());
    let rules = Rules { keep_days: 90, rules: vec![Rule { what: wide, keep_days: 1 }] };
    assert_eq!(Rules::from_definition(&rules.definition()), Some(rules));
    let _ = Rules::from_definition(text);
}
