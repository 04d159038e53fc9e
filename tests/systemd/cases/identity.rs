//! Who sent an event, by the columns of the database and by `auditlog query`.

use serde_json::Value;

use crate::container::Container;

/// Fails unless the database and `auditlog query` agree on a column, and it is this.
fn assert_column(container: &Container, id: &str, column: &str, expected: &str) {
    let row = container.sql(&format!("SELECT {column} FROM events WHERE id = '{id}'"));
    assert_eq!(row.trim(), expected, "{column} of {id} in the database");
    let peer = container.stored(id)["peer"][column].clone();
    let text = peer.as_str().map_or_else(|| peer.to_string(), str::to_owned);
    assert_eq!(text, expected, "{column} of {id} in the ledger");
}

pub fn the_kernel_says_who_it_was(container: &mut Container) {
    for user in ["alice", "bob", "root"] {
        let id = format!("by-{user}");
        // The shell becomes the tool, so its number is known.
        let command = format!("echo $$; exec auditlog emit --quiet --type test --event-id {id}");
        let pid = container.run_as(user, &command);
        container.stored(&id);
        assert_column(container, &id, "pid", pid.trim());
        assert_column(container, &id, "exe", "/usr/bin/auditlog");
        for (column, flag) in [("uid", "--user"), ("gid", "--group")] {
            let number = container.run(&format!("id {flag} {user}"));
            assert_column(container, &id, column, number.trim());
        }
    }
    let python = r#"python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect("/run/auditd.sock"); s.sendall(b"{\"event_type\":\"test\",\"event_id\":\"by-python\",\"uid\":0}\n"); input()'"#;
    // It lives until its event is stored: its executable can be read as long as it lives.
    let keep = format!(
        "(for n in $(seq 600); do auditlog query by-python >/dev/null && break; sleep 0.1; done; echo) | runuser -u bob -- {python}"
    );
    container.run(&keep);
    let exe = container.run("realpath /usr/bin/python3");
    assert_column(container, "by-python", "exe", exe.trim());
    let bob = container.run("id --user bob");
    assert_column(container, "by-python", "uid", bob.trim());
}

pub fn units_are_named(container: &mut Container) {
    let emit = "auditlog --root / emit --quiet --type test --event-id";
    container.run(&format!(
        "systemd-run --quiet --wait --unit=billing --uid=alice -- {emit} from-a-service"
    ));
    container.stored("from-a-service");
    assert_column(container, "from-a-service", "unit", "billing.service");
    assert_column(container, "from-a-service", "uid", container.run("id --user alice").trim());
    container.run(&format!(
        "systemd-run --quiet --wait --unit=dynamic --property=DynamicUser=yes -- {emit} from-a-dynamic-user"
    ));
    let dynamic = container.stored("from-a-dynamic-user");
    assert_eq!(dynamic["peer"]["unit"], "dynamic.service");
    assert!(dynamic["peer"]["uid"].as_u64().is_some_and(|uid| (61184..65520).contains(&uid)));
    assert_ne!(dynamic["peer"]["exe"], Value::Null);
    let found = container.run("auditlog query --unit billing --format jsonl");
    assert_eq!(found.lines().count(), 1, "{found}");
}
