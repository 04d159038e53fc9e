use super::*;

#[test]
fn a_record_is_one_line_of_json_with_the_reserved_prefix() {
    let text = Record::Stopped { reason: "SIGTERM\u{2028}\n".into() }.to_json();
    assert!(text.starts_with(PREFIX), "{text}");
    assert!(!text.contains(['\n', '\u{2028}']));
    let value: serde_json::Value = serde_json::from_str(&text).expect("json");
    assert_eq!(value["event_type"], "auditlogd.stopped");
    assert_eq!(value["data"]["reason"], "SIGTERM\u{2028}\n");
}
