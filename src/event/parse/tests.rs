use std::borrow::Cow;

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::super::Outcome;
use super::*;

fn builtin(text: &str) -> Result<Event<'_>, Reject> {
    parse(text, &FieldMap::builtin())
}

fn map(pointers: &[(&str, &[&str])], failure: &[&str], require: &[&str]) -> FieldMap {
    let owned = |list: &[&str]| list.iter().map(|s| s.to_string()).collect::<Vec<_>>();
    let pointers: Vec<_> = pointers.iter().map(|(c, l)| (c.to_string(), owned(l))).collect();
    FieldMap::new(&pointers, &owned(failure), &owned(require)).expect("map")
}

fn code(text: &str) -> Option<RejectCode> {
    builtin(text).err().map(|reject| reject.code)
}

#[test]
fn every_known_member_becomes_its_column() {
    let text = r#"{"event_type":"auth.login","priority":"warn","source":"sshd","actor":"ann",
        "action":"logged in","outcome":"failure","target":{"id":7,"name":"db"},"client_ip":"::1",
        "session_id":"s","correlation_id":"c","operation":"login","duration_ms":1.5,"event_id":"e1",
        "timestamp":1700000000,"data":{"actor":"nobody"}}"#;
    let borrowed = |s| Some(Cow::Borrowed(s));
    let expected = Event {
        event_type: borrowed("auth.login"),
        priority: Some(4),
        source: borrowed("sshd"),
        actor: borrowed("ann"),
        action: borrowed("logged in"),
        outcome: Some(Outcome::Failure),
        target: borrowed("7"),
        client_ip: borrowed("::1"),
        session_id: borrowed("s"),
        correlation_id: borrowed("c"),
        operation: borrowed("login"),
        duration_ms: Some(1.5),
        event_id: borrowed("e1"),
        client_ts_ns: Some(1_700_000_000_000_000_000),
        mistyped: 0,
        reserved: false,
    };
    assert_eq!(builtin(text), Ok(expected));
}

#[test]
fn a_value_without_escapes_is_a_slice_of_the_line() {
    let event =
        builtin(r#"{"actor":"ann","user":{"name":"b"},"target":{"name":"t"}}"#).expect("ok");
    assert!(matches!(event.actor, Some(Cow::Borrowed("ann"))));
    assert!(matches!(event.target, Some(Cow::Borrowed("t"))));
}

#[test]
fn the_first_pointer_with_the_right_type_wins_wherever_it_stands() {
    for (text, actor) in [
        (r#"{"user":"u","actor":"a"}"#, "a"),
        (r#"{"actor":"a","user":"u"}"#, "a"),
        (r#"{"actor":[1],"user":"u"}"#, "u"),
        (r#"{"actor":null,"user":"u"}"#, "u"),
        (r#"{"actor":{"name":"n","id":"i"},"user":"u"}"#, "i"),
        (r#"{"actor":{"name":"n","id":null},"user":"u"}"#, "n"),
        (r#"{"actor":{"mail":"m"},"user":{"id":12}}"#, "12"),
    ] {
        let event = builtin(text).expect(text);
        assert_eq!((event.actor.as_deref(), event.mistyped), (Some(actor), 0), "{text}");
    }
}

#[test]
fn a_column_that_stays_empty_beside_a_member_is_counted_once() {
    for (text, mistyped) in [
        (r#"{"actor":[],"user":true,"user_id":{}}"#, 1),
        (r#"{"actor":{"id":[]},"priority":"loud"}"#, 2),
        (r#"{"event_type":"","source":"\ud800","action":"a\u0000"}"#, 3),
        (r#"{"actor":null,"priority":null}"#, 0),
        (r#"{"other":[1e999,"\udfff"]}"#, 0),
    ] {
        let event = builtin(text).expect(text);
        assert_eq!(event, Event { mistyped, ..Event::default() }, "{text}");
    }
}

#[test]
fn pointers_lead_through_objects_arrays_and_odd_keys() {
    let map = map(
        &[("actor", &["/a/b~1c/1/x"]), ("source", &["/a/~0/"]), ("client_ip", &["/ips/0"])],
        &[],
        &[],
    );
    let text =
        r#" {"a" : {"b\/c":[{"x":"no"},{"y":1,"x":"yes"}], "~":{"":"src"}},"ips":["10.0.0.1"]}"#;
    let event = parse(text, &map).expect("ok");
    assert_eq!(event.actor.as_deref(), Some("yes"));
    assert_eq!(event.source.as_deref(), Some("src"));
    assert_eq!(event.client_ip.as_deref(), Some("10.0.0.1"));
    let event = parse(r#"{"a":{"b/c":{"1":{"x":"by key"}}},"ips":{"1":2}}"#, &map).expect("ok");
    assert_eq!(event.actor.as_deref(), Some("by key"));
    assert_eq!(event.client_ip, None);
}

#[test]
fn a_value_may_belong_to_a_column_and_lead_to_another() {
    let map = map(&[("actor", &["/user"]), ("session_id", &["/user/session"])], &[], &[]);
    let event = parse(r#"{"user":{"session":"s","id":"u"}}"#, &map).expect("ok");
    assert_eq!((event.actor.as_deref(), event.session_id.as_deref()), (Some("u"), Some("s")));
}

#[test]
fn a_failure_rule_decides_the_outcome_that_the_event_does_not_state() {
    let map = map(&[("outcome", &["/outcome"])], &["/error", "/e/code"], &[]);
    for (text, outcome) in [
        (r#"{}"#, Outcome::Success),
        (r#"{"error":null,"e":{"code":""}}"#, Outcome::Success),
        (r#"{"error":false,"e":7}"#, Outcome::Success),
        (r#"{"error":"x"}"#, Outcome::Failure),
        (r#"{"error":{}}"#, Outcome::Failure),
        (r#"{"e":{"code":0}}"#, Outcome::Failure),
        (r#"{"error":"x","outcome":"ok"}"#, Outcome::Success),
        (r#"{"outcome":[],"e":{"code":1}}"#, Outcome::Failure),
    ] {
        let event = parse(text, &map).expect(text);
        assert_eq!((event.outcome, event.mistyped), (Some(outcome), 0), "{text}");
    }
}

#[test]
fn what_is_no_json_is_refused_with_the_byte() {
    for (text, offset) in [
        (r#"{"a":1,}"#, 7),
        (r#"{"a" 1}"#, 5),
        (r#"{"a":1} x"#, 8),
        (r#"{"a":"#, 5),
        ("{\"a\":\"\u{1}\"}", 5),
        ("{\r\"a\":tru}", 9),
        ("", 0),
        ("x", 0),
        ("\u{feff}{}", 0),
        (r#"{"a":01}"#, 6),
        (r#"{"a":NaN}"#, 5),
        ("{\n\"a\":,}", 6),
    ] {
        let reject = builtin(text).expect_err(text);
        assert_eq!(reject.code, RejectCode::InvalidJson, "{text}");
        assert!(reject.message.contains(&format!(" at byte {offset}:")), "{text:?}: {reject}");
        assert!(!reject.message.contains("column"), "{reject}");
    }
}

#[test]
fn json_that_is_no_object_is_told_apart() {
    for text in ["1", " \"x\"", "[{}]", "null", "true", "1e999"] {
        assert_eq!(code(text), Some(RejectCode::NotAnObject), "{text}");
    }
}

#[test]
fn a_key_that_stands_twice_at_the_top_is_refused_in_any_spelling() {
    for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":1}"#, r#"{"\ud800":1,"\uD800":2}"#] {
        assert_eq!(code(text), Some(RejectCode::DuplicateKey), "{text}");
    }
    assert_eq!(code(r#"{"a":{"b":1,"b":2}}"#), None);
    let reject = builtin(r#"{"a\n":1,"a\n":2}"#).expect_err("twice");
    assert_eq!(reject.message, r#"the key "a\n" stands twice at the top level"#);
    assert_eq!(code(r#"{"a":1,"a":1"#), Some(RejectCode::InvalidJson));
}

#[test]
fn nesting_is_bounded_and_brackets_in_strings_do_not_nest() {
    let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
    assert_eq!(code(&nested(MAX_DEPTH - 1)), None);
    let reject = builtin(&nested(MAX_DEPTH)).expect_err("too deep");
    assert_eq!(reject.code, RejectCode::InvalidJson);
    assert!(reject.message.contains("at byte 132"), "{reject}");
    assert_eq!(
        code(&format!(r#"{{"a":"\"{}","b":[{}0]}}"#, "[{".repeat(200), "[],".repeat(200))),
        None
    );
}

#[test]
fn a_reserved_event_type_is_seen_in_every_disguise() {
    let other = map(&[("event_type", &["/eventName"])], &[], &[]);
    for text in [
        r#"{"event_type":"auditlogd.started"}"#,
        r#"{"event_type":"AuditLogd.x"}"#,
        r#"{"event_type":"\u0061uditlogd.x"}"#,
        r#"{"event\u005ftype":"auditlogd."}"#,
        r#"{"event_type":"auditlogd.\ud800"}"#,
        &format!(r#"{{"event_type":"auditlogd.{}"}}"#, "x".repeat(200)),
        r#"{"eventName":"x","event_type":"auditlogd.x"}"#,
    ] {
        for map in [&FieldMap::builtin(), &other] {
            let event = parse(text, map).expect(text);
            let reject = admit(&event, map).expect_err(text);
            assert_eq!(reject.code, RejectCode::ReservedType, "{text}");
        }
    }
    for text in [r#"{"eventName":"auditlogd.x"}"#, r#"{"eventName":"AUDITLOGD.\u0078"}"#] {
        assert!(admit(&parse(text, &other).expect("ok"), &other).is_err());
    }
    for text in [r#"{"event_type":"auditlogd"}"#, r#"{"data":{"event_type":"auditlogd.x"}}"#] {
        assert_eq!(admit(&builtin(text).expect("ok"), &other), Ok(()), "{text}");
    }
}

#[test]
fn a_required_member_must_be_there_with_the_right_type() {
    let map = map(&[("actor", &["/actor"]), ("priority", &["/p"])], &[], &["actor", "priority"]);
    assert_eq!(admit(&parse(r#"{"actor":"a","p":3}"#, &map).expect("ok"), &map), Ok(()));
    for (text, name) in [(r#"{"p":3}"#, "`actor`"), (r#"{"actor":"a","p":"x"}"#, "`priority`")] {
        let reject = admit(&parse(text, &map).expect("ok"), &map).expect_err(text);
        assert_eq!(reject.code, RejectCode::MissingField);
        assert!(reject.message.contains(name), "{reject}");
    }
}

/// Any JSON value, with keys that the built-in map knows among others.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let key =
        prop_oneof!["[a-c]", "actor|target|event_type|user|id|name|time|level", any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let through =
        map(&[("actor", &["/a/0", "/user/id"]), ("target", &["/b/name/c"])], &["/c"], &[]);
    let valid = serde_json::from_str::<IgnoredAny>(text).is_ok();
    for map in [&FieldMap::builtin(), &through] {
        match parse(text, map) {
            Ok(event) => {
                prop_assert!(valid);
                let _ = admit(&event, map);
            }
            Err(reject) => prop_assert_eq!(valid, reject.code != RejectCode::InvalidJson),
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_text_panics_and_syntax_is_judged_as_by_the_library(text in r#"[\[\]{}",:\\ua0-9e.\r -]{0,40}"#) {
        check(&text)?;
    }

    #[test]
    fn any_text_inside_an_object_is_judged_as_by_the_library(text: String) {
        check(&text)?;
        check(&format!("{{\"a\":{text}}}"))?;
        check(&format!("{{{text}}}"))?;
    }

    #[test]
    fn every_object_is_accepted_and_no_prefix_of_it(value in json(), cut in any::<prop::sample::Index>()) {
        let text = value.to_string();
        let map = FieldMap::builtin();
        match parse(&text, &map) {
            Ok(event) => {
                prop_assert!(value.is_object());
                let actor = value.get("actor").and_then(|v| v.as_str());
                if let Some(actor) = actor.filter(|a| a.len() <= 4096 && !a.contains('\0')) {
                    prop_assert_eq!(event.actor.as_deref(), Some(actor));
                }
            }
            Err(reject) => prop_assert!(!value.is_object(), "{}", reject),
        }
        if value.is_object() {
            let mut end = cut.index(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            prop_assert_eq!(parse(&text[..end], &map).expect_err("a prefix").code, RejectCode::InvalidJson);
        }
    }
}
