use std::borrow::Cow;

use super::super::layout::Sources;
use super::*;
use crate::event::{Event, Outcome, parse};

/// Parses a text with a preset's map.
fn read<'a>(preset: &str, text: &'a str) -> Event<'a> {
    let sources = Sources { root: Some("/r".into()), ..Sources::default() };
    let mut config = sources.layout().expect("layout").defaults();
    config.fields = find(preset).expect(preset).fields();
    parse(text, &config.field_map().expect(preset)).unwrap_or_else(|reject| panic!("{reject}"))
}

fn text(value: &str) -> Option<Cow<'_, str>> {
    Some(Cow::Borrowed(value))
}

/// Nanoseconds of an RFC 3339 time.
fn ns(time: &str) -> Option<i64> {
    let time: jiff::Timestamp = time.parse().expect("a time");
    i64::try_from(time.as_nanosecond()).ok()
}

#[test]
fn the_default_preset_is_the_built_in_vocabulary() {
    let event =
        read("default", r#"{"type":"t","level":"warn","user":{"name":"ann"},"success":false}"#);
    assert_eq!((event.event_type, event.priority), (text("t"), Some(4)));
    assert_eq!((event.actor, event.outcome), (text("ann"), Some(Outcome::Failure)));
}

#[test]
fn every_preset_compiles_and_lists_every_column_once() {
    for preset in &ALL {
        let names: Vec<_> = preset.fields().pointers.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, Column::ALL.map(Column::name), "{}", preset.name);
        assert_eq!(read(preset.name, "{}").mistyped, 0);
    }
}

#[test]
fn cloudtrail_sign_ins_state_their_outcome() {
    let event = read(
        "cloudtrail",
        r#"{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE",
        "arn":"arn:aws:iam::111122223333:user/ann","accountId":"111122223333","userName":"ann"},
        "eventTime":"2024-05-06T07:08:09Z","eventSource":"signin.amazonaws.com",
        "eventName":"ConsoleLogin","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.7",
        "userAgent":"Mozilla/5.0","requestParameters":null,
        "responseElements":{"ConsoleLogin":"Success"},"additionalEventData":{"MFAUsed":"Yes"},
        "eventID":"0b5a1a9a-0000-4000-8000-000000000001","readOnly":false,
        "eventType":"AwsConsoleSignIn","managementEvent":true}"#,
    );
    let expected = Event {
        event_type: text("ConsoleLogin"),
        source: text("signin.amazonaws.com"),
        actor: text("arn:aws:iam::111122223333:user/ann"),
        action: text("AwsConsoleSignIn"),
        outcome: Some(Outcome::Success),
        client_ip: text("192.0.2.7"),
        event_id: text("0b5a1a9a-0000-4000-8000-000000000001"),
        client_ts_ns: ns("2024-05-06T07:08:09Z"),
        ..Event::default()
    };
    assert_eq!(event, expected);
}

#[test]
fn cloudtrail_calls_fail_by_having_an_error() {
    let event = read(
        "cloudtrail",
        r#"{"userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:s","accessKeyId":"ASIAEXAMPLE"},
        "eventTime":"2024-05-06T07:08:09Z","eventSource":"s3.amazonaws.com","eventName":"GetBucketPolicy",
        "errorCode":"NoSuchBucketPolicy","errorMessage":"The bucket policy does not exist",
        "requestParameters":{"bucketName":"b","policy":""},"requestID":"GXK985FFMWTE90RA",
        "resources":[{"accountId":"1","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::b"}]}"#,
    );
    assert_eq!((event.outcome, event.actor), (Some(Outcome::Failure), text("AROAEXAMPLE:s")));
    assert_eq!((event.target, event.session_id), (text("arn:aws:s3:::b"), text("ASIAEXAMPLE")));
    assert_eq!(event.action, text("The bucket policy does not exist"));
    assert_eq!((event.correlation_id, event.mistyped), (text("GXK985FFMWTE90RA"), 0));
    let service = r#"{"userIdentity":{"accountId":"1","invokedBy":"config.amazonaws.com"},"eventName":"x",
        "requestParameters":{"roleName":"r"},"responseElements":null}"#;
    let event = read("cloudtrail", service);
    assert_eq!(
        (event.outcome, event.actor),
        (Some(Outcome::Success), text("config.amazonaws.com"))
    );
    assert_eq!((event.target, event.mistyped), (text("r"), 0));
}

#[test]
fn ecs_is_read_nested_and_dotted() {
    let expected = Event {
        event_type: text("user-login"),
        priority: Some(4),
        source: text("shop"),
        actor: text("ann"),
        action: text("ann failed to log in"),
        outcome: Some(Outcome::Failure),
        client_ip: text("192.0.2.7"),
        correlation_id: text("4bf92f3577b34da6"),
        event_id: text("e-1"),
        client_ts_ns: ns("2024-05-06T07:08:09.123Z"),
        ..Event::default()
    };
    let nested = r#"{"@timestamp":"2024-05-06T07:08:09.123Z","ecs":{"version":"8.11.0"},
        "message":"ann failed to log in","log":{"level":"WARN"},"service":{"name":"shop"},
        "event":{"id":"e-1","action":"user-login","category":["authentication"],"outcome":"failure",
        "duration":1500000},"user":{"id":"1001","name":"ann"},
        "source":{"ip":"192.0.2.7","port":55123},"trace":{"id":"4bf92f3577b34da6"}}"#;
    assert_eq!(read("ecs", nested), expected);
    let dotted = r#"{"@timestamp":"2024-05-06T07:08:09.123Z","ecs.version":"8.11.0",
        "message":"ann failed to log in","log.level":"WARN","service.name":"shop","event.id":"e-1",
        "event.action":"user-login","event.category":["authentication"],"event.outcome":"failure",
        "event.duration":1500000,"user.id":"1001","user.name":"ann","source.ip":"192.0.2.7",
        "source.port":55123,"trace.id":"4bf92f3577b34da6"}"#;
    assert_eq!(read("ecs", dotted), expected);
}

#[test]
fn ocsf_authentication_is_read() {
    let event = read(
        "ocsf",
        r#"{"class_uid":3002,"class_name":"Authentication","category_uid":3,"activity_id":1,
        "activity_name":"Logon","type_uid":300201,"type_name":"Authentication: Logon",
        "severity_id":2,"severity":"Low","status_id":2,"status":"Failure","status_detail":"bad password",
        "time":1714979289123,"duration":12,"user":{"uid":"1001","name":"ann","type_id":1},
        "src_endpoint":{"ip":"192.0.2.7","port":55123},"dst_endpoint":{"hostname":"db1"},
        "service":{"name":"sshd"},"session":{"uid":"s-9"},
        "metadata":{"version":"1.3.0","uid":"e-1","correlation_uid":"c-1",
        "product":{"name":"sshd-shipper","vendor_name":"Example"}}}"#,
    );
    let expected = Event {
        event_type: text("Authentication: Logon"),
        priority: Some(5),
        source: text("sshd-shipper"),
        actor: text("ann"),
        action: text("bad password"),
        outcome: Some(Outcome::Failure),
        target: text("sshd"),
        client_ip: text("192.0.2.7"),
        session_id: text("s-9"),
        correlation_id: text("c-1"),
        operation: text("Logon"),
        duration_ms: Some(12.0),
        event_id: text("e-1"),
        client_ts_ns: ns("2024-05-06T07:08:09.123Z"),
        ..Event::default()
    };
    assert_eq!(event, expected);
}

#[test]
fn kubernetes_audit_events_are_read_by_their_status_code() {
    let event = read(
        "kubernetes",
        r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata",
        "auditID":"7e3a1b52-0000-4000-8000-000000000002","stage":"ResponseComplete",
        "requestURI":"/api/v1/namespaces/prod/secrets/db","verb":"get",
        "user":{"username":"system:serviceaccount:prod:web","uid":"u-1","groups":["system:authenticated"],
        "extra":{"authentication.kubernetes.io/credential-id":["JTI=1"]}},
        "sourceIPs":["10.0.0.5","10.0.0.1"],"userAgent":"kubectl/v1.30",
        "objectRef":{"resource":"secrets","namespace":"prod","name":"db","apiVersion":"v1"},
        "responseStatus":{"metadata":{},"status":"Failure","message":"secrets \"db\" is forbidden",
        "reason":"Forbidden","code":403},"requestReceivedTimestamp":"2024-05-06T07:08:09.000001Z",
        "stageTimestamp":"2024-05-06T07:08:09.123456Z",
        "annotations":{"authorization.k8s.io/decision":"forbid","authorization.k8s.io/reason":""}}"#,
    );
    let expected = Event {
        event_type: text("get"),
        source: text("audit.k8s.io/v1"),
        actor: text("system:serviceaccount:prod:web"),
        action: text(r#"secrets "db" is forbidden"#),
        outcome: Some(Outcome::Failure),
        target: text("/api/v1/namespaces/prod/secrets/db"),
        client_ip: text("10.0.0.5"),
        session_id: text("JTI=1"),
        correlation_id: text("7e3a1b52-0000-4000-8000-000000000002"),
        operation: text("secrets"),
        client_ts_ns: ns("2024-05-06T07:08:09.123456Z"),
        ..Event::default()
    };
    assert_eq!(event, expected);
    let decided = r#"{"verb":"list","annotations":{"authorization.k8s.io/decision":"allow"}}"#;
    assert_eq!(read("kubernetes", decided).outcome, Some(Outcome::Success));
}
