//! What a running daemon says of users and connections.

use crate::common::{Daemon, eventually, tool};
use crate::{account, account_with, sums};

#[test]
fn open_connections_are_listed_with_what_became_of_their_lines() {
    let daemon =
        Daemon::start_with("[ingest]\nreject_records_burst = 2\nreject_records_per_second = 1\n");
    let mut client = daemon.greeted();
    client.send("{}\nbad\nbad\nbad\nbad\n{}\n");
    client.replies_to(6);
    let _idle = daemon.greeted();
    let connections = eventually("both are listed", || {
        let (_, said) = account(daemon.root());
        let connections = said["daemon"]["account"]["connections"].as_array().expect("a list");
        (connections.len() == 2).then(|| connections.clone())
    });
    let busy = &connections[0];
    let number = |name: &str| busy[name].as_u64().expect("a number");
    assert_eq!([number("lines"), number("stored"), number("waiting")], [6, 2, 0], "{busy}");
    assert_eq!(number("refused") + number("summarised"), 4, "{busy}");
    assert_eq!(busy["peer"]["pid"], std::process::id());
    assert_eq!(connections[1]["lines"], 0);

    // Of the user some lines wait for their summary.
    let (_, said) = account(daemon.root());
    let uid = nix::unistd::getuid().to_string();
    let live = &said["daemon"]["account"]["users"][&uid];
    let settled: u64 = ["stored", "repeated", "refused", "summarised", "missing"]
        .iter()
        .map(|name| live[name].as_u64().expect("a number"))
        .sum();
    assert!((3..=6).contains(&settled) && live["lines"] == 6, "{live}");

    let text = String::from_utf8(tool(daemon.root(), &["account"]).stdout).expect("text");
    for part in ["CONNECTION OF", "SUMMARISED", "OK: every line that was accepted", "in the daemon"]
    {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    drop(client);
    eventually("it is not listed any more", || {
        let (_, said) = account(daemon.root());
        (said["daemon"]["account"]["connections"].as_array()?.len() == 1).then_some(())
    });
}

#[test]
fn users_and_periods_choose_what_is_shown_and_not_what_is_checked() {
    let daemon = Daemon::start();
    daemon.greeted().store("{}", 1);
    let uid = nix::unistd::getuid().to_string();
    let none = (0, [0; 5]);
    for (args, wanted) in [
        (&["--uid", &uid][..], (0, [1, 0, 0, 0, 0])),
        (&["--uid", "4000000000"], none),
        (&["--since", "1h"], (0, [1, 0, 0, 0, 0])),
        (&["--until", "1h"], none),
    ] {
        let (code, said) = account_with(daemon.root(), args);
        assert_eq!((code, sums(&said["total"])), wanted, "{args:?}");
    }
    let usage = tool(daemon.root(), &["account", "--since", "1h", "--until", "2h"]);
    assert_eq!(usage.status.code(), Some(2));
    let empty = tempfile::tempdir().expect("a directory");
    let dir = empty.path().to_str().expect("text");
    assert_eq!(tool(daemon.root(), &["account", dir]).status.code(), Some(3));
}
