//! The end of a log on its host: recorded, sealed, and no daemon goes on with it.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Output;

use common::{Daemon, Stopped, refused, tool};
use serde_json::Value;

const REASON: &str = "replaced by web2";

fn noted(root: &Path) -> Option<Value> {
    let text = fs::read(root.join("var/lib/auditlogd/decommissioned")).ok()?;
    Some(serde_json::from_slice(&text).expect("JSON"))
}

fn log_id(daemon: &Daemon) -> String {
    let created = &daemon.records("log_created")[0];
    created["event"]["data"]["log_id"].as_str().expect("an id").to_owned()
}

fn decommission(root: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let output = tool(root, &[&["decommission", "--reason", REASON], more].concat());
    told(&output)
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The log ends with the record, the stop and the seal, says so everywhere, and nobody goes on with it.
fn is_at_its_end(daemon: &Daemon, checkpoint: &str) {
    let root = daemon.root();
    let mut lines = daemon.lines();
    // Without the header.
    let leaves = lines.len() - 1;
    // The sums stand before the stop, if there was anything new to say.
    lines.retain(|line| line["event"]["event_type"] != "auditlogd.account");
    let [.., ended, stopped, seal] = &lines[..] else { panic!("three lines") };
    let uid = nix::unistd::getuid().as_raw();
    assert_eq!(ended["event"]["event_type"], "auditlogd.decommissioned");
    assert_eq!(ended["event"]["data"], serde_json::json!({ "reason": REASON, "uid": uid }));
    assert_eq!(stopped["event"]["event_type"], "auditlogd.stopped");
    assert_eq!(seal["seal"]["reason"], "stop");

    let noted = noted(root).expect("noted");
    assert_eq!((&noted["log_id"], &noted["reason"]), (&log_id(daemon).into(), &REASON.into()));
    assert_eq!((&noted["uid"], &noted["checkpoint"]), (&uid.into(), &checkpoint.into()));
    assert!(checkpoint.contains(&format!("/auditlog/{}\n{leaves}\n", log_id(daemon))));

    let anchor = root.join("anchor");
    fs::write(&anchor, checkpoint).expect("writes");
    let (code, said, _) =
        told(&tool(root, &["verify", "--anchor", anchor.to_str().expect("UTF-8")]));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ANCHORED up to") || said.contains("OK, ANCHORED"), "{said}");
    let how = format!("by uid {uid}: {REASON}");
    assert!(said.contains("decommissioned at 20") && said.contains(&how), "{said}");
    let (_, status, _) = told(&tool(root, &["status"]));
    assert!(status.contains("decommissioned at 20") && status.contains(&how), "{status}");
    let (_, status, _) = told(&tool(root, &["status", "--format", "json"]));
    let status: Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["decommissioned"], noted);

    let (status, said) = refused(root, "");
    assert_eq!(status.code(), Some(3), "{said}");
    for part in ["was decommissioned at 20", &how, "purge", "move", "remove"] {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
    assert_eq!(daemon.lines().len(), leaves + 1, "a refused start writes nothing");
    let (code, _, said) = decommission(root, &["--yes", &log_id(daemon)]);
    assert_eq!((code, said.contains("nothing to do")), (Some(3), true), "{said}");
}

#[test]
fn a_running_daemon_ends_the_log_and_itself() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    client.send("{\"event_type\":\"last\"}\n");
    let kept = daemon.root().join("kept");
    let kept = kept.to_str().expect("UTF-8");
    let (code, checkpoint, said) =
        decommission(daemon.root(), &["--yes", &log_id(&daemon)[..8], "-o", kept]);
    assert_eq!(code, Some(0), "{said}");
    let Stopped { daemon, status } = daemon.stop();
    assert_eq!(status.code(), Some(3), "{}", daemon.log());
    assert_eq!(daemon.events().len(), 1, "what was sent before is taken in");
    assert_eq!(fs::read_to_string(kept).expect("reads"), checkpoint);
    is_at_its_end(&daemon, &checkpoint);
}

#[test]
fn without_a_daemon_the_tool_ends_the_log_and_it_can_be_taken_up_again() {
    let stopped = Daemon::start().stop();
    let id = log_id(&stopped.daemon);
    let (code, checkpoint, said) = decommission(stopped.daemon.root(), &["--yes", &id]);
    assert_eq!(code, Some(0), "{said}");
    is_at_its_end(&stopped.daemon, &checkpoint);

    let root = stopped.daemon.kill();
    fs::remove_file(root.path().join("var/lib/auditlogd/decommissioned")).expect("removes");
    let stopped = Daemon::start_in(root, "").stop();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.daemon.log());
    assert_eq!(stopped.daemon.records("decommissioned").len(), 1, "the log shows both");
    let (code, said) = common::verify(stopped.daemon.root());
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn without_a_confirmation_nothing_changes() {
    let daemon = Daemon::start();
    let id = log_id(&daemon);
    let taken = daemon.root().join("taken");
    fs::write(&taken, "x").expect("writes");
    let wrong = if id.starts_with('0') { "11111111" } else { "00000000" };
    for (more, code, what) in [
        (&[][..], 2, "--yes"),
        (&["--yes", wrong], 2, "is not the log's id"),
        (&["--yes", &id[..7]], 2, "is not the log's id"),
        (&["--yes", ""], 2, "is not the log's id"),
        (&["--yes", &id, "-o", taken.to_str().expect("UTF-8")], 3, "cannot create"),
        (&["--yes", &id, "--reason", " "], 2, "reason"),
    ] {
        let (found, out, said) = decommission(daemon.root(), more);
        assert_eq!((found, out.as_str()), (Some(code), ""), "{more:?}: {said}");
        assert!(said.contains(what), "{what:?} is missing in {said}");
    }
    daemon.greeted().store("{\"event_type\":\"x\"}", 1);
    assert_eq!(noted(daemon.root()), None);
    assert_eq!(daemon.records("decommissioned").len(), 0);
    assert_eq!(fs::read_to_string(&taken).expect("reads"), "x");
}

#[test]
fn a_file_that_cannot_be_read_keeps_the_daemon_from_starting() {
    let stopped = Daemon::start().stop();
    let file = stopped.daemon.root().join("var/lib/auditlogd/decommissioned");
    fs::write(&file, "").expect("writes");
    let (status, said) = refused(stopped.daemon.root(), "");
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(said.contains("may be decommissioned") && said.contains("remove"), "{said}");
}

#[test]
fn what_root_writes_stays_the_owners() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: giving a log to another user takes root");
        return;
    }
    let owner = 65_534;
    let stopped = Daemon::start().stop();
    let root = stopped.daemon.root();
    let files = || {
        let dirs = ["var/log/auditlogd", "var/lib/auditlogd"].map(|dir| root.join(dir));
        let inside = dirs.iter().flat_map(|dir| fs::read_dir(dir).expect("reads"));
        let inside: Vec<_> = inside.map(|entry| entry.expect("reads").path()).collect();
        inside.into_iter().chain(dirs.clone()).collect::<Vec<_>>()
    };
    for path in files() {
        chown(path, Some(owner), Some(owner)).expect("chown");
    }
    // The way to it has to be open for that user.
    fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    let (code, _, said) = decommission(root, &["--yes", &log_id(&stopped.daemon)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(noted(root).is_some_and(|noted| noted["uid"] == 0), "it was root who asked");
    for path in files() {
        assert_eq!(fs::metadata(&path).expect("is there").uid(), owner, "{path:?}");
    }
}
