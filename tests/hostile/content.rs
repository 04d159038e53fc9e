//! What a line may say: numbers that no machine holds, depth, every byte, and what only the daemon knows.

use serde_json::Value;

use crate::common::Daemon;
use crate::{as_stored, await_refused, stops_clean};

/// Numbers that are valid JSON, and more than most programs can hold.
fn numbers() -> Vec<String> {
    let mut numbers: Vec<String> = [
        "1e400",
        "-1e400",
        "1E+2",
        "-0",
        "-0.0",
        "0e0",
        "0E-99999",
        "1e-400",
        "1e99999999999999999999",
        "18446744073709551616",
        "-9223372036854775809",
        "9007199254740993",
        "7.0",
        "1e1",
        "3e0",
        "4.999999999999999999999999",
        "253402300800",
        "1e11",
        "-62135596800.5",
        "404",
        "4040e-1",
    ]
    .map(str::to_owned)
    .into();
    numbers.push("9".repeat(401));
    numbers.push(format!("-{}", "9".repeat(5_000)));
    numbers.push(format!("0.{}1", "0".repeat(5_000)));
    numbers.push(format!("1e{}", "9".repeat(5_000)));
    numbers.push(format!("1e-{}", "9".repeat(5_000)));
    numbers
}

/// The text of each event in the log that is not the daemon's own, as it stands there.
fn texts(daemon: &Daemon) -> Vec<String> {
    let ledger = std::fs::read_to_string(daemon.segment()).expect("reads");
    let event = |line: &str| {
        let (_, rest) = line.split_once("\"event\":")?;
        let (event, _) = rest.rsplit_once(",\"mac\":")?;
        (!event.starts_with("{\"event_type\":\"auditlogd.")).then(|| event.to_owned())
    };
    ledger.lines().filter_map(event).collect()
}

#[test]
fn numbers_stay_as_they_were_written_and_no_column_holds_nonsense() {
    let daemon = Daemon::start();
    let members = ["n", "priority", "duration_ms", "timestamp", "actor", "target", "outcome"];
    let event = |number: &String| {
        let member = |name: &&str| format!("\"{name}\":{number}");
        format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
    };
    let mut sent: Vec<_> = numbers().iter().map(event).collect();
    for digits in ["9".repeat(61_000), format!("1e{}", "0".repeat(61_000))] {
        sent.push(format!("{{\"n\":{digits}}}"));
    }
    let mut client = daemon.greeted();
    client.send(sent.iter().map(|event| format!("{event}\n")).collect::<String>());
    client.replies_to(sent.len() as u64);
    assert_eq!(texts(&daemon), sent);

    daemon.settle();
    let database = rusqlite::Connection::open(daemon.database()).expect("opens");
    let wrong = "SELECT count(*) FROM events WHERE \
        NOT (priority IS NULL OR typeof(priority) = 'integer' AND priority BETWEEN 0 AND 7) OR \
        NOT (duration_ms IS NULL OR duration_ms >= 0 AND duration_ms < 1e309) OR \
        NOT (outcome IS NULL OR outcome IN ('success', 'failure', 'unknown')) OR \
        NOT (actor IS NULL OR typeof(actor) = 'text' AND length(actor) <= 4096)";
    let count: i64 = database.query_row(wrong, [], |row| row.get(0)).expect("queries");
    assert_eq!(count, 0);
    drop(database);
    for format in ["table", "json", "jsonl", "csv"] {
        let output = daemon.tool(&["query", "--limit", "0", "--format", format]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    stops_clean(daemon);
}

#[test]
fn the_deepest_event_is_stored_and_one_level_more_is_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    let deep = |levels: usize, (open, close): (&str, &str)| {
        let inner = levels - 1;
        format!("{{\"a\":{}0{}}}", open.repeat(inner), close.repeat(inner))
    };
    for (n, kind) in (0..).zip([("[", "]"), ("{\"a\":", "}")]) {
        client.store(&deep(128, kind), 2 * n + 1);
        client.send(deep(129, kind) + "\n");
        let reply = client.reply().expect("a reply");
        assert_eq!(reply["reject"]["code"], "invalid_json", "{reply}");
        assert!(
            reply["reject"]["message"].as_str().expect("why").contains("128 levels"),
            "{reply}"
        );
    }
    // As deep as a line is long, closed and not, and in a member that is looked into.
    let abyss =
        |start: &str, open: &str| format!("{{\"{start}\":{}", open.repeat(60_000 / open.len()));
    for (n, text) in
        [abyss("a", "["), abyss("actor", "{\"id\":"), deep(30_000, ("[", "]"))].iter().enumerate()
    {
        client.send(format!("{text}\n"));
        let reply = client.reply().expect("a reply");
        assert_eq!(
            (&reply["reject"]["code"], reply["reject"]["line"].as_u64()),
            (&"invalid_json".into(), Some(n as u64 + 5))
        );
    }
    stops_clean(daemon);
}

/// Every byte alone, and at every place of an event: the log holds what another parser takes for an object, in its
/// order, and a record of every other line.
#[test]
fn every_byte_at_every_place_is_stored_or_refused() {
    let daemon = Daemon::start_with("[ingest]\nreject_records_burst = 100000\n");
    let event = b"{\"event_type\":\"b\\n\", \"a\":[1,\"x\"]}";
    let mut stream = Vec::new();
    for byte in 0..=255u8 {
        stream.extend([byte, b'\n']);
        for at in 0..=event.len() {
            stream.extend([&event[..at], &[byte], &event[at..], b"\n"].concat());
        }
    }
    let (mut expected, mut bad) = (Vec::new(), 0);
    for line in stream.split(|byte| *byte == b'\n') {
        let blank = |byte: &u8| b" \t\r".contains(byte);
        if line.iter().all(blank) {
            continue;
        }
        match serde_json::from_slice::<Value>(line) {
            Ok(value) if value.is_object() => {
                let text = std::str::from_utf8(line).expect("it was parsed");
                expected.push(as_stored(text));
            }
            _ => bad += 1,
        }
    }
    let mut client = daemon.connect();
    client.send(&stream);
    client.finish();
    assert_eq!(texts(&daemon), expected);
    assert!(expected.len() > 1500 && bad > 4000, "{} {bad}", expected.len());
    await_refused(&daemon, bad);
    stops_clean(daemon);
}

/// What a client says about itself stays in its event; who it is, when it wrote and where it stands is the kernel's
/// and the daemon's to say.
#[test]
fn whatever_an_event_says_about_itself_its_peer_is_the_kernels() {
    let daemon = Daemon::start();
    let first = daemon.lines()[1].clone();
    let own_id = first["id"].as_str().expect("an id").to_owned();
    let peer =
        r#""peer":{"pid":1,"uid":4242,"gid":4242,"unit":"forged.service","exe":"/sbin/forged"}"#;
    let mac = "0".repeat(64);
    let forged = [
        format!(
            r#"{{{peer},"uid":4242,"unit":"forged.service","seq":0,"mac":"{mac}","ts":"1999-01-01T00:00:00.000000000Z"}}"#
        ),
        format!(
            r#"{{"seq":1,"ts":"1999-01-01T00:00:00.000000000Z","id":"{own_id}",{peer},"event":{{"event_type":"auditlogd.stopped"}},"mac":"{mac}"}}"#
        ),
        format!(r#"{{"event_id":"{own_id}","event_type":"forged"}}"#),
        r#"{"auditlog":{"ack":false}}"#.to_owned(),
        r#"{"auditlog":{"protocol":1,"log_id":"00000000000000000000000000000000"}}"#.to_owned(),
    ];
    let mut client = daemon.greeted();
    for (n, event) in (1..).zip(&forged) {
        client.store(event, n);
    }
    assert_eq!(texts(&daemon), forged);
    let lines = daemon.lines();
    let seqs: Vec<_> = lines[1..].iter().map(|line| line["seq"].as_u64()).collect();
    assert_eq!(seqs, (0..seqs.len() as u64).map(Some).collect::<Vec<_>>());
    let (uid, pid) = (nix::unistd::getuid().as_raw(), std::process::id());
    for line in daemon.events() {
        assert_eq!(
            (&line["peer"]["uid"], &line["peer"]["pid"]),
            (&uid.into(), &pid.into()),
            "{line}"
        );
        assert!(line["ts"].as_str().expect("a time") > "2020", "{line}");
    }

    daemon.settle();
    let found = |args: &[&str]| {
        let output = daemon.tool(&[&["query", "--format", "jsonl"], args].concat());
        output.stdout.iter().filter(|byte| **byte == b'\n').count()
    };
    assert_eq!(found(&["--uid", "4242"]), 0);
    assert_eq!(found(&["--unit", "forged.service"]), 0);
    assert_eq!(found(&["--until", "2020-01-01"]), 0);
    assert_eq!(found(&["--uid", &uid.to_string(), "--type", "forged"]), 1);
    // The id of one of the daemon's own records is still that record's.
    let shown = daemon.tool(&["show", &own_id]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("auditlogd.log_created") && !shown.contains("forged"), "{shown}");
    stops_clean(daemon);
}
