//! What SIGHUP changes of a running daemon's configuration.

mod common;

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
