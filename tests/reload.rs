//! What a reload changes of a running daemon's configuration, by SIGHUP or by `auditlog reload`.

mod common;

use std::fs;

use common::{Daemon, eventually};
use serde_json::{Value, json};

/// The `data` of the last record of that kind.
fn data(daemon: &Daemon, event_type: &str) -> Value {
    let mut data = daemon.records(event_type).pop().expect("recorded")["event"]["data"].clone();
    let map = data.as_object_mut().expect("an object").remove("field_map").expect("named");
    assert_eq!(map.as_str().map(str::len), Some(64), "{map}");
    data
}

#[test]
fn required_members_are_in_force_also_for_clients_that_are_connected() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.store("{\"event_type\":\"a\"}", 1);
    daemon.configure("[ingest]\nrequire = [\"actor\"]\n");
    daemon.reload();
    for client in [&mut client, &mut daemon.greeted()] {
        client.send("{\"event_type\":\"b\"}\n");
        let reply = client.reply().expect("a reply");
        assert_eq!(reply["reject"]["code"], "missing_field", "{reply}");
    }
    let want = json!({"applied": ["ingest.require"], "restart": []});
    assert_eq!(data(&daemon, "config_changed"), want);
}

#[test]
fn another_vocabulary_is_in_force() {
    let daemon = Daemon::start();
    daemon.configure("[fields]\npreset = \"cloudtrail\"\n");
    daemon.reload();
    daemon.greeted().store("{\"eventName\":\"CreateUser\",\"eventID\":\"e-1\"}", 1);
    daemon.settle();
    let found = daemon.tool(&["query", "--type", "CreateUser", "--format", "jsonl"]);
    let line: Value = serde_json::from_slice(&found.stdout).expect("one event");
    assert_eq!(line["id"], "e-1");
    let applied = data(&daemon, "config_changed")["applied"].clone();
    let applied = applied.as_array().expect("a list");
    assert!(applied.contains(&"fields.preset".into()), "{applied:?}");
}

#[test]
fn a_broken_configuration_leaves_the_old_one_in_force_and_is_logged_with_its_place() {
    let daemon = Daemon::start_with("[ingest]\nrequire = [\"actor\"]\n");
    daemon.configure("[ingest]\nrequired = []\n");
    daemon.reload();
    let log = daemon.log();
    assert!(
        log.contains("the configuration was not reloaded, the old one stays in force"),
        "{log}"
    );
    assert!(log.contains("auditlogd.toml` line 2"), "{log}");
    assert!(log.contains("the log was reopened") && !log.contains("reloaded\n"), "{log}");
    let mut client = daemon.greeted();
    client.send("{}\n");
    assert_eq!(client.reply().expect("a reply")["reject"]["code"], "missing_field");
    client.store("{\"actor\":\"a\"}", 2);
    assert!(daemon.records("config_changed").is_empty());
}

#[test]
fn a_key_that_needs_a_restart_is_named_and_keeps_its_value() {
    let daemon = Daemon::start();
    daemon.configure("[index]\nbatch_rows = 7\n[ledger]\nepoch_lines = 3\n");
    daemon.reload();
    let want = json!({"applied": ["ledger.epoch_lines"], "restart": ["index.batch_rows"]});
    assert_eq!(data(&daemon, "config_changed"), want);
    assert!(daemon.log().contains("only after a restart: index.batch_rows"), "{}", daemon.log());
    daemon.greeted().store("{}\n{}\n{}", 3);
    eventually("epochs of three lines", || {
        let sealed = |line: &Value| line["seal"]["reason"] == "size";
        daemon.lines().iter().any(sealed).then_some(())
    });
}

/// Runs `auditlog reload`; its exit code, and what it says on both streams.
fn reload(daemon: &Daemon) -> (Option<i32>, String) {
    let output = daemon.tool(&["reload"]);
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8_lossy(&both).into_owned())
}

#[test]
fn when_the_tool_returns_the_configuration_is_in_force_and_the_log_reopened() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.store("{}", 1);
    for n in 0..20 {
        let renamed = daemon.segment().with_extension(format!("jsonl-{n}"));
        fs::rename(daemon.segment(), renamed).expect("renames");
        let required = if n % 2 == 0 { "\"actor\"" } else { "" };
        daemon.configure(&format!("[ingest]\nrequire = [{required}]\n"));
        assert_eq!(reload(&daemon), (Some(0), "reloaded: ingest.require\n".into()));
        assert!(daemon.segment().exists());
        client.send("{}\n");
        let reply = client.reply().expect("a reply");
        assert_eq!(reply["reject"].is_object(), n % 2 == 0, "{reply}");
    }
    assert_eq!(reload(&daemon), (Some(0), "reloaded: nothing changed\n".into()));
    daemon.configure("[index]\nbatch_rows = 7\n[ingest]\nrequire = [\"actor\"]\n");
    let said = "reloaded: ingest.require\nonly after a restart: index.batch_rows\n";
    assert_eq!(reload(&daemon), (Some(0), said.into()));
}

#[test]
fn the_tool_says_what_is_wrong_with_a_configuration_and_the_log_is_reopened_all_the_same() {
    let daemon = Daemon::start();
    daemon.greeted().store("{}", 1);
    fs::rename(daemon.segment(), daemon.segment().with_extension("jsonl-1")).expect("renames");
    daemon.configure("[ingest]\nrequired = []\n");
    let (code, said) = reload(&daemon);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the old one stays in force: `"), "{said}");
    assert!(said.contains("auditlogd.toml` line 2"), "{said}");
    assert!(daemon.segment().exists());
    daemon.greeted().store("{}", 1);
}

#[test]
fn several_who_ask_at_once_all_have_their_answer() {
    let daemon = Daemon::start();
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..12).map(|_| scope.spawn(|| reload(&daemon))).collect();
        for asked in asking {
            assert_eq!(
                asked.join().expect("asks"),
                (Some(0), "reloaded: nothing changed\n".into())
            );
        }
    });
}

#[test]
fn without_a_daemon_the_tool_says_so_also_with_a_wrong_configuration() {
    let daemon = Daemon::start().stop().daemon;
    let (code, said) = reload(&daemon);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is it running?"), "{said}");
    daemon.configure("wrong\n");
    let (code, said) = reload(&daemon);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("auditlogd.toml` line 1"), "{said}");
}
