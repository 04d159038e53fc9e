//! The configuration as an operator meets it: layers, mistakes, reloads and the shipped file.

mod common;

use std::path::Path;

use auditlogd::config::{Config, LogLevel, Sources, changes, load};
use common::tree::{Tree, refused};
use tempfile::TempDir;

fn list<'c>(config: &'c Config, column: &str) -> &'c [String] {
    &config.fields.pointers.iter().find(|(name, _)| name == column).expect("column").1
}

#[test]
fn without_any_file_the_defaults_are_below_the_root() {
    let tree = Tree::new();
    let config = tree.load();
    assert_eq!(config.socket, tree.root.path().join("run/auditd.sock"));
    assert_eq!(config.log_dir, tree.root.path().join("var/log/auditlogd"));
    assert_eq!(config.database(), tree.root.path().join("var/lib/auditlogd/audit.db"));
    assert_eq!(config.control_socket(), tree.root.path().join("run/auditlogd/control.sock"));
    assert_eq!(config.socket_mode, 0o666);
}

#[test]
fn the_system_root_is_for_the_privileged_and_others_have_their_own() {
    let env =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.into())).collect();
    let file = |privileged, pairs: &[(&str, &str)]| {
        Sources { privileged, env: env(pairs), ..Sources::default() }.config_file()
    };
    let system = file(true, &[]).expect("path");
    assert_eq!(system, Path::new("/etc/auditlogd/auditlogd.toml"));
    let home = file(false, &[("HOME", "/h"), ("XDG_STATE_HOME", "relative")]).expect("path");
    assert_eq!(home, Path::new("/h/.local/state/auditlogd/etc/auditlogd/auditlogd.toml"));
    let given = file(true, &[("AUDITLOGD_ROOT", "/srv")]).expect("path");
    assert_eq!(given, Path::new("/srv/etc/auditlogd/auditlogd.toml"));
    assert!(file(false, &[]).expect_err("nowhere").to_string().contains("--root"));
}

#[test]
fn a_users_socket_is_in_the_runtime_directory_where_there_is_one() {
    let home = TempDir::new().expect("temporary directory");
    let mut sources = Sources::default();
    sources.env.insert("XDG_STATE_HOME".into(), home.path().into());
    let config = load(&sources).expect("loads");
    assert_eq!(config.socket, home.path().join("auditlogd/run/auditd.sock"));
    sources.env.insert("XDG_RUNTIME_DIR".into(), "/run/user/1000".into());
    let config = load(&sources).expect("loads");
    assert_eq!(config.socket, Path::new("/run/user/1000/auditd.sock"));
    assert_eq!(config.log_dir, home.path().join("auditlogd/var/log/auditlogd"));
}

#[test]
fn later_layers_win_key_by_key() {
    let main =
        "stop_seconds = 1\nlog_level = \"warn\"\n[ledger]\nepoch_seconds = 1\nidle_seconds = 1";
    let tree = Tree::with(main)
        .file("conf.d/a.toml", "stop_seconds = 2\n[ledger]\nepoch_seconds = 2")
        .env("AUDITLOGD_LEDGER_EPOCH_SECONDS", "3");
    let config = tree.load();
    assert_eq!((config.stop_seconds, config.log_level), (2, LogLevel::Warn));
    assert_eq!((config.ledger.epoch_seconds, config.ledger.idle_seconds), (3, 1));
}

#[test]
fn drop_ins_are_read_in_the_order_of_their_names() {
    // Each file shares a key with the next one, so any order but one shows.
    let config = Tree::new()
        .file("conf.d/30.toml", "[ledger]\nepoch_seconds = 30\nepoch_lines = 30")
        .file("conf.d/50.toml", "[ledger]\nidle_seconds = 50\n[ingest]\nmax_connections = 50")
        .file("conf.d/10.toml", "stop_seconds = 10")
        .file("conf.d/60.toml", "[ingest]\nmax_connections = 60")
        .file("conf.d/40.toml", "[ledger]\nepoch_lines = 40\nidle_seconds = 40")
        .file("conf.d/20.toml", "stop_seconds = 20\n[ledger]\nepoch_seconds = 20")
        .load();
    assert_eq!((config.stop_seconds, config.ledger.epoch_seconds), (20, 30));
    assert_eq!((config.ledger.epoch_lines, config.ledger.idle_seconds), (40, 50));
    assert_eq!(config.ingest.max_connections, 60);
}

#[test]
fn hidden_files_and_other_endings_are_no_drop_ins() {
    let tree = Tree::new()
        .file("conf.d/a.toml.off", "stop_seconds = 99")
        .file("conf.d/.b.toml", "stop_seconds = 98");
    assert_eq!(tree.load().stop_seconds, Tree::new().load().stop_seconds);
}

#[test]
fn every_kind_of_value_can_come_from_the_environment() {
    let config = Tree::new()
        .env("AUDITLOGD_LOG_DIR", "/srv/log")
        .env("AUDITLOGD_SOCKET_MODE", "0660")
        .env("AUDITLOGD_GROUP", "adm")
        .env("AUDITLOGD_INGEST_REQUIRE", "actor, event_type")
        .env("AUDITLOGD_FIELDS_PRESET", "ecs")
        .env("AUDITLOGD_FIELDS_ACTION", "/what,/how")
        .env("AUDITLOGD_FIELDS_FAILURE_IF_PRESENT", "/error")
        .env("AUDITLOGD_LEDGER_EPOCH_SECONDS", "30")
        .load();
    assert_eq!((config.log_dir.as_path(), config.socket_mode), (Path::new("/srv/log"), 0o660));
    assert_eq!(config.group.as_deref(), Some("adm"));
    assert_eq!(config.ingest.require, ["actor", "event_type"]);
    assert_eq!(config.fields.preset, "ecs");
    assert_eq!(list(&config, "action"), ["/what", "/how"]);
    assert_eq!(config.fields.failure_if_present, ["/error"]);
    assert_eq!(config.ledger.epoch_seconds, 30);
}

#[test]
fn a_mistaken_variable_is_an_error_that_names_it() {
    let error = Tree::new().env("AUDITLOGD_LEDGER_EPOCH_SECOND", "30").error();
    assert!(error.contains("did you mean `AUDITLOGD_LEDGER_EPOCH_SECONDS`?"), "{error}");
    let error = Tree::new().env("AUDITLOGD_ZZZ", "30").error();
    assert!(error.contains("`AUDITLOGD_ZZZ`") && !error.contains("did you mean"), "{error}");
    let error = Tree::new().env("AUDITLOGD_STOP_SECONDS", "soon").error();
    assert!(error.contains("`AUDITLOGD_STOP_SECONDS`") && error.contains("\"soon\""), "{error}");
}

#[test]
fn a_list_in_any_layer_replaces_that_of_the_preset_from_any_other() {
    let config = Tree::with("[fields]\nactor = \"/who\"\nsource = []")
        .file("conf.d/preset.toml", "[fields]\npreset = \"cloudtrail\"")
        .load();
    assert_eq!(list(&config, "actor"), ["/who"]);
    assert!(list(&config, "source").is_empty());
    assert_eq!(list(&config, "event_type"), ["/eventName"]);
    assert_eq!(config.fields.failure_if_present, ["/errorCode", "/errorMessage"]);
}

#[test]
fn strings_expand_from_the_environment() {
    let config = Tree::with(
        "log_dir = \"${BASE}/log\"\nstate_dir = \"${NONE:-/srv}/state\"\nrun_dir = \"/a$${b}\"\n\
         [fields]\nactor = [\"/${KEY}\"]",
    )
    .env("BASE", "/data")
    .env("KEY", "who")
    .load();
    assert_eq!(config.log_dir, Path::new("/data/log"));
    assert_eq!(config.state_dir, Path::new("/srv/state"));
    assert_eq!(config.run_dir, Path::new("/a${b}"));
    assert_eq!(list(&config, "actor"), ["/who"]);
}

#[test]
fn an_unset_variable_is_an_error_that_names_file_line_key_and_variable() {
    refused(
        "\nlog_dir = \"${LOG_DIR}\"",
        &["auditlogd.toml` line 2", "`log_dir`", "`LOG_DIR`, which is not set"],
    );
    refused("[fields]\nactor = [\"/a\", \"${X}\"]", &["line 2", "`fields.actor`", "`X`"]);
}

#[test]
fn unknown_names_are_errors_with_a_suggestion() {
    refused(
        "\n\nstop_second = 1",
        &["line 3", "no key `stop_second`; did you mean `stop_seconds`?"],
    );
    refused("[ledger]\nepoch_secs = 1", &["line 2", "did you mean `epoch_seconds`?"]);
    refused("[leger]\nepoch_seconds = 1", &["line 1", "no table `leger`; did you mean `ledger`?"]);
    refused("[fields]\nactors = \"/a\"", &["did you mean `actor`?"]);
    refused("[fields]\npreset = \"cloudtrial\"", &["must be one of", "did you mean `cloudtrail`?"]);
    refused("[ingest]\nrequire = [\"actr\"]", &["\"actr\"", "did you mean `actor`?"]);
    refused("log_level = \"warning\"", &["did you mean `warn`?"]);
    refused("zzz = 1", &["no key `zzz`"]);
}

#[test]
fn a_key_in_the_wrong_place_is_told_its_place() {
    refused("epoch_seconds = 1", &["it belongs in [ledger]"]);
    refused("queue_bytes = 1", &["it belongs in [ingest] or in [index]"]);
    refused("[ledger]\nlog_dir = \"/x\"", &["`ledger.log_dir`", "at the top of the file"]);
    refused("ledger = 5", &["write [ledger]"]);
    refused("[[ledger]]\nepoch_seconds = 5", &["write [ledger]"]);
}

#[test]
fn values_of_a_wrong_type_are_errors_that_say_what_is_wanted() {
    for (text, wanted) in [
        ("stop_seconds = \"5\"", "whole number"),
        ("stop_seconds = 5.5", "a number with a fraction"),
        ("log_dir = 5", "a string in quotes, not a number"),
        ("log_dir = [\"/x\"]", "not a list"),
        ("socket_mode = 0o666", "a string in quotes"),
        ("socket_mode = \"rw\"", "octal"),
        ("socket_mode = \"1777\"", "octal"),
        ("log_level = true", "not true or false"),
        ("group = \"a b\"", "name of a group"),
        ("[fields]\nactor = [1]", "holds more than strings"),
        ("[fields]\nactor = [\"who\"]", "must start with `/`"),
        ("[fields]\nfailure_if_present = \"/~\"", "JSON pointer"),
        ("[ingest]\nrequire = [\"actor\", \"actor\"]", "twice"),
        ("[socket]\nx = 1", "not a table"),
    ] {
        refused(text, &["auditlogd.toml` line ", wanted]);
    }
}

#[test]
fn numbers_outside_their_range_are_errors_that_give_it() {
    for (text, range) in [
        ("stop_seconds = 0", "from 1 to 3600, not 0"),
        ("stop_seconds = -5", "not -5"),
        ("stop_seconds = 9223372036854775807", "not 9223372036854775807"),
        ("[ingest]\nmax_event_bytes = 61441", "from 1024 to 61440, not 61441"),
        ("[ingest]\nmax_event_bytes = 1023", "from 1024 to 61440"),
        ("[ledger]\nepoch_seconds = 86401", "from 1 to 86400"),
        ("[ledger]\nbatch_bytes = 4095", "from 4096 to 16777216"),
        ("[ledger]\nrotate_bytes = 1", "from 65536 to 1099511627776, not 1; or 0 to switch it off"),
        ("[ledger]\nrotate_seconds = -1", "from 60 to 31622400, not -1; or 0 to switch it off"),
        ("[space]\nreserve_bytes = 5", "from 1048576 to 17179869184, not 5; or 0 to switch it off"),
        ("[quota]\nexempt_uids = [\"root\"]", "or a list of them, not a list of strings"),
    ] {
        refused(text, &[range]);
    }
}

#[test]
fn paths_must_be_absolute_and_short_enough_for_a_socket() {
    refused("log_dir = \"logs\"", &["`log_dir`", "absolute path, not \"logs\""]);
    refused("run_dir = \"\"", &["absolute path"]);
    let long = format!("/{}", "x".repeat(107));
    refused(&format!("socket = \"{long}\""), &["line 1", "108 bytes", "at most 107"]);
    refused(&format!("run_dir = \"{long}\""), &["control socket", "Linux allows 107", "`run_dir`"]);
    let longest = format!("socket = \"{}\"", &long[..107]);
    assert_eq!(Tree::with(&longest).load().socket, Path::new(&long[..107]));
}

#[test]
fn a_default_socket_path_that_is_too_long_is_an_error_too() {
    let root = format!("/{}", "x".repeat(100));
    let sources = Sources { root: Some(root.into()), ..Sources::default() };
    let error = load(&sources).expect_err("too long").to_string();
    assert!(error.contains("Linux allows 107") && error.contains("--root"), "{error}");
}

#[test]
fn a_required_column_that_nothing_leads_to_is_an_error() {
    let text = "[ingest]\nrequire = [\"priority\"]\n[fields]\npreset = \"cloudtrail\"";
    refused(text, &["`priority`", "every event would be refused"]);
}

#[test]
fn broken_toml_is_an_error_with_its_line() {
    refused("socket = \"/x\"\nlog_dir = ", &["auditlogd.toml` line 2", "not valid TOML"]);
    refused("stop_seconds = 1\nstop_seconds = 2", &["line 2", "not valid TOML", "duplicate"]);
}

#[test]
fn the_first_mistake_in_the_file_is_the_one_reported() {
    refused("[ledger]\nzzz = 1\n[index]\naaa = 1", &["line 2", "`ledger.zzz`"]);
}

#[test]
fn a_file_that_was_asked_for_must_be_there() {
    let mut tree = Tree::new();
    tree.sources.config = Some(tree.root.path().join("none.toml"));
    assert!(tree.error().contains("none.toml"));
    tree.sources.config = None;
    let tree = tree.env("AUDITLOGD_CONFIG", "/nonexistent/x.toml");
    assert!(tree.error().contains("/nonexistent/x.toml"));
}

#[test]
fn a_file_that_was_asked_for_brings_the_drop_ins_beside_it() {
    let elsewhere = Tree::with("stop_seconds = 7").file("conf.d/a.toml", "log_level = \"error\"");
    let mut tree = Tree::with("stop_seconds = 8");
    tree.sources.config = Some(elsewhere.root.path().join("etc/auditlogd/auditlogd.toml"));
    let config = tree.load();
    assert_eq!((config.stop_seconds, config.log_level), (7, LogLevel::Error));
    assert!(config.log_dir.starts_with(tree.root.path()));
}

#[test]
fn the_printed_configuration_reads_back_to_the_same_one() {
    let config = Tree::with(
        "log_dir = \"/odd/$${x}\\\"\\n/ü\"\ngroup = \"adm\"\n[ingest]\nrequire = [\"actor\"]\n\
         [fields]\npreset = \"kubernetes\"\nactor = [\"/a~1b\", \"/$${c}\"]\n[index]\ncache_bytes = 1048576\n\
         [[anchor]]\ntype = \"exec\"\ncommand = [\"/bin/a\", \"$${b} \\\"c\\\"\"]\n\
         [[anchor]]\ntype = \"file\"\npath = \"/a \\\"b\\\"\"\n[[anchor]]\ntype = \"journal\"\n\
         [[anchor]]\ntype = \"witness\"\nurl = \"https://w/\"\nvkey = \"v+1+k\"",
    )
    .env("AUDITLOGD_SOCKET_MODE", "0640")
    .load();
    assert_eq!(config.log_dir, Path::new("/odd/${x}\"\n/ü"));
    let printed = config.to_toml();
    assert_eq!(Tree::with(&printed).load(), config, "{printed}");
}

#[test]
fn a_reload_applies_what_it_can_and_names_the_rest() {
    let old = Tree::new();
    let new = Tree::with(
        "socket = \"/x\"\nlog_level = \"debug\"\n[ingest]\nthreads = 3\nmax_connections = 9\n\
         [fields]\nactor = \"/who\"\n[ledger]\nepoch_seconds = 5",
    );
    let mut new = new.load();
    let old = old.load();
    (new.log_dir, new.state_dir) = (old.log_dir.clone(), old.state_dir.clone());
    new.run_dir = old.run_dir.clone();
    let found = changes(&old, &new);
    assert_eq!(
        found.applied,
        ["log_level", "ingest.max_connections", "fields.actor", "ledger.epoch_seconds"]
    );
    assert_eq!(found.restart, ["socket", "ingest.threads"]);
    assert_eq!((&found.in_force.socket, found.in_force.ingest.threads), (&old.socket, 0));
    assert_eq!(found.in_force.ledger, new.ledger);
}

/// The file as it is shipped.
const SHIPPED: &str = include_str!("../config/auditlogd.toml");

/// The shipped file's keys: lines that begin with `#` and a key.
fn is_key_line(line: &str) -> bool {
    let rest = line.strip_prefix('#').unwrap_or(" ");
    rest.starts_with(|c: char| c.is_ascii_lowercase()) && rest.contains(" = ")
}

fn uncommented() -> String {
    let line = |line: &'static str| if is_key_line(line) { &line[1..] } else { line };
    SHIPPED.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_file_changes_nothing() {
    let tree = Tree::with(SHIPPED);
    let plain = load(&Sources { config: None, ..tree.sources.clone() }).expect("loads");
    std::fs::remove_file(tree.root.path().join("etc/auditlogd/auditlogd.toml")).expect("removed");
    assert_eq!(plain, tree.load());
}

#[test]
fn the_shipped_file_shows_the_defaults() {
    let mut tree = Tree::with(&uncommented());
    let shown = tree.load();
    tree.sources.config = Some(tree.root.path().join("etc/auditlogd/empty.toml"));
    tree.sources.root = Some("/".into());
    let defaults = tree.file("empty.toml", "").load();
    assert_eq!(shown, defaults);
}

#[test]
fn the_shipped_file_has_every_key() {
    let name = |line: &str| line.split(" = ").next().unwrap_or_default().to_string();
    let printed = Tree::new().load().to_toml();
    let all: Vec<_> = printed.lines().filter(|line| line.contains(" = ")).map(name).collect();
    let shipped: Vec<_> =
        SHIPPED.lines().filter(|l| is_key_line(l)).map(|l| name(&l[1..])).collect();
    assert_eq!(shipped, all);
}
