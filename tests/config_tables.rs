//! The tables of which there may be several, as an operator meets them: [[retention]], [[archive]], [[anchor]].

mod common;

use auditlogd::config::{Anchor, Archive, ArchiveTo, changes};
use auditlogd::record::{EarlierRules, Maintained, Record};
use auditlogd::retention::{Match, Rule};
use common::tree::{Tree, refused};

/// A file without rules, with those of the first table.
fn rule(event_type: &str, keep_days: u64) -> Rule {
    Rule { what: Match { event_type: vec![event_type.into()], ..Match::default() }, keep_days }
}

#[test]
fn rules_of_all_files_are_in_force_in_the_order_of_the_files() {
    let main = "[[retention]]\nevent_type = \"a\"\nkeep_days = 1\n\
                [[retention]]\nevent_type = \"b\"\nkeep_days = 2";
    let tree = Tree::with(main)
        .file("conf.d/2.toml", "[[retention]]\nevent_type = \"d\"\nkeep_days = 4")
        .file("conf.d/1.toml", "[[retention]]\nevent_type = \"${WHAT}\"\nkeep_days = 3")
        .env("WHAT", "c");
    let config = tree.load();
    assert_eq!(config.retention, [rule("a", 1), rule("b", 2), rule("c", 3), rule("d", 4)]);
    assert_eq!(config.rules().keep_days, 90);
    let found = changes(&Tree::with(main).load(), &config);
    assert!(found.applied.contains(&"retention".into()), "{found:?}");
    assert_eq!(found.in_force.retention, config.retention);
}

#[test]
fn a_rule_may_have_any_conditions_with_one_or_several_values() {
    let config = Tree::with(
        "[[retention]]\nsource = [\"a\", \"b*\"]\nactor = \"x\"\ntarget = \"t\"\nsession_id = \"s\"\n\
         correlation_id = \"c\"\nunit = \"u.service\"\nuid = [0, 1000]\nkeep_days = 36500\n\
         [[retention]]\nuid = 5\nkeep_days = 1",
    )
    .load();
    let [first, second] = config.retention.as_slice() else { panic!("two rules") };
    assert_eq!(first.what.source, ["a", "b*"]);
    assert_eq!((&first.what.uid, &second.what.uid), (&vec![0, 1000], &vec![5]));
    assert_eq!(Tree::with(&config.to_toml()).load(), config, "{}", config.to_toml());
}

#[test]
fn mistakes_in_rules_are_told_with_their_line() {
    let retention = |keys: &str, parts: &[&str]| refused(&format!("[[retention]]\n{keys}"), parts);
    retention("keep_days = 5", &["line 2", "`[[retention]]` has no condition", "in [maintenance]"]);
    retention("event_type = \"a\"", &["line 2", "`retention.keep_days` is missing"]);
    retention("event_type = \"a\"\nkeep_days = 0", &["line 3", "from 1 to 36500, not 0"]);
    retention("evnt_type = \"a\"\nkeep_days = 5", &["line 2", "did you mean `event_type`?"]);
    retention("type = \"a\"\nkeep_days = 5", &["there is no key `retention.type`"]);
    retention("event_type = []\nkeep_days = 5", &["is an empty list"]);
    retention("event_type = \"\"\nkeep_days = 5", &["has an empty value"]);
    retention("event_type = 5\nkeep_days = 5", &["must be a list of strings, not a number"]);
    retention("uid = \"root\"\nkeep_days = 5", &["must be a whole number from 0 to 4294967295"]);
    retention("uid = [0, -1]\nkeep_days = 5", &["line 2", "not -1"]);
    retention("uid = [0, \"a\"]\nkeep_days = 5", &["not a list of numbers and other things"]);
    let many = format!("actor = {:?}\nkeep_days = 5", vec!["a"; 33]);
    retention(&many, &["`retention.actor` has 33 values, and at most 32"]);
    let long = format!("actor = \"{}\"\nkeep_days = 5", "a".repeat(257));
    retention(&long, &["has a value of 257 bytes, and at most 256"]);
    refused("[retention]\nkeep_days = 5", &["line 1", "write [[retention]]"]);
    refused("[[retentions]]\nkeep_days = 5", &["did you mean `retention`?"]);
    let rules = |count: usize| {
        let one = |n| format!("[[retention]]\nactor = \"a{n}\"\nkeep_days = 5\n");
        (0..count).map(one).collect::<String>()
    };
    assert_eq!(Tree::with(&rules(64)).load().retention.len(), 64);
    refused(&rules(65), &["there are 65 [[retention]] tables, and at most 64"]);
}

#[test]
fn rules_fit_into_the_records_that_name_them() {
    let rules = |count: usize, letter: &str, len: usize| {
        let one = |n| {
            let letters = letter.repeat(len);
            format!("[[retention]]\nactor = \"{n}{letters}\"\nkeep_days = 5\n")
        };
        (0..count).map(one).collect::<String>()
    };
    // In a record some characters take more bytes than in the file.
    for (letter, len) in [("x", 254), (r"\u0085", 80), (r"\u0001", 40), (r"\U0010ffff", 60)] {
        let error = Tree::with(&rules(32, letter, len)).error().to_string();
        let parts = ["all rules together have", "at most 8192", "`*`"];
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    let all = rules(27, r#"\""#, 125);
    let rules = Tree::with(&all).load().rules();
    let earlier = |_| EarlierRules { retention: rules.definition(), until: "x".repeat(30) };
    let run = Maintained {
        retention: rules.definition(),
        earlier: (0..1).map(earlier).collect(),
        ..Maintained::default()
    };
    assert!(Record::Maintained(Box::new(run)).to_json().len() < 36 << 10);
}

#[test]
fn a_rule_that_an_earlier_one_leaves_nothing_is_a_mistake() {
    let first = "[[retention]]\nevent_type = \"trade.*\"\nkeep_days = 1826\n";
    let second = "[[retention]]\nevent_type = \"trade.test\"\nactor = \"x\"\nkeep_days = 7\n";
    let text = format!("{first}{second}");
    refused(&text, &["line 5", "can never match", "rule 1 before it", "rule 2"]);
    Tree::with(&format!("{second}{first}")).load();
    let tree = Tree::with(first).file("conf.d/a.toml", second);
    assert!(tree.error().contains("conf.d/a.toml` line 2"), "{}", tree.error());
}

#[test]
fn events_are_never_kept_longer_when_space_is_low() {
    let error = "[maintenance]\nkeep_days = 7\nmin_keep_days = 8";
    refused(error, &["`min_keep_days` is 8", "`keep_days` only 7"]);
    Tree::with("[maintenance]\nkeep_days = 7\nmin_keep_days = 7").load();
}

#[test]
fn archives_of_all_files_add_up() {
    let tree = Tree::with("[[archive]]\ntype = \"directory\"\npath = \"/mnt/a\"").file(
        "conf.d/a.toml",
        "[[archive]]\ntype = \"exec\"\ncommand = [\"/bin/x\", \"y\"]\nrequired = false",
    );
    let config = tree.load();
    let command = vec!["/bin/x".into(), "y".into()];
    assert_eq!(
        config.archives,
        [
            Archive { required: true, to: ArchiveTo::Directory("/mnt/a".into()) },
            Archive { required: false, to: ArchiveTo::Exec { command, timeout_seconds: 3_600 } },
        ]
    );
    assert_eq!(Tree::with(&config.to_toml()).load(), config, "{}", config.to_toml());
}

#[test]
fn mistakes_in_archives_are_told_with_their_line() {
    let archive = |keys: &str, parts: &[&str]| refused(&format!("[[archive]]\n{keys}"), parts);
    archive("path = \"/x\"", &["line 2", "`archive.type` is missing"]);
    archive("type = \"dir\"", &["must be directory or exec, not \"dir\""]);
    archive("type = \"directory\"\npath = \"x\"", &["line 3", "must be an absolute path"]);
    archive("type = \"directory\"\ncommand = \"/x\"", &["it belongs to type exec"]);
    archive("type = \"exec\"\ncommand = [\"sh\"]", &["absolute path of a program"]);
    let quoted = "type = \"directory\"\npath = \"/x\"\nrequired = \"yes\"";
    archive(quoted, &["line 4", "must be true or false without quotes, not a string"]);
    let beside = |path: &str| format!("[[archive]]\ntype = \"directory\"\npath = \"{path}\"\n");
    for path in ["/srv/log", "/srv/log/old", "/srv", "/srv/state/x"] {
        let dirs = "log_dir = \"/srv/log\"\nstate_dir = \"/srv/state\"\n";
        refused(&format!("{dirs}{}", beside(path)), &["is with the log itself", "elsewhere"]);
    }
    refused(&beside("/x").repeat(2), &["two [[archive]] tables for `directory /x`"]);
    let many: String = (0..17).map(|n| beside(&format!("/x{n}"))).collect();
    refused(&many, &["there are 17 [[archive]] tables, and at most 16"]);
}

#[test]
fn anchors_of_all_files_add_up_and_a_reload_applies_them() {
    let main = "[[anchor]]\ntype = \"journal\"";
    let tree = Tree::with(main)
        .file("conf.d/a.toml", "[[anchor]]\ntype = \"file\"\npath = \"/${WHERE}\"")
        .env("WHERE", "x");
    let config = tree.load();
    assert_eq!(config.anchors, [Anchor::Journal, Anchor::File { path: "/x".into() }]);
    let found = changes(&Tree::with(main).load(), &config);
    assert!(found.applied.contains(&"anchor".into()), "{found:?}");
    assert_eq!(found.in_force.anchors, config.anchors);
}

#[test]
fn mistakes_in_anchors_are_told_with_their_line() {
    let anchor = |keys: &str, parts: &[&str]| refused(&format!("[[anchor]]\n{keys}"), parts);
    anchor("path = \"/x\"", &["line 2", "`anchor.type` is missing"]);
    anchor("type = \"fiel\"", &["line 2", "must be file, journal", "did you mean `file`?"]);
    anchor("type = \"file\"", &["`anchor.path` is missing"]);
    anchor("type = \"file\"\npath = \"x\"", &["line 3", "`anchor.path` must be an absolute path"]);
    anchor("type = \"journal\"\npath = \"/x\"", &["line 3", "it belongs to type file"]);
    anchor("type = \"file\"\npahts = \"/x\"", &["`anchor.pahts`", "did you mean `path`?"]);
    anchor("type = \"exec\"\ncommand = []", &["must name a program"]);
    anchor("type = \"exec\"\ncommand = [\"sh\"]", &["absolute path of a program, not \"sh\""]);
    let exec = "type = \"exec\"\ncommand = \"/bin/x\"\ntimeout_seconds = 0";
    anchor(exec, &["line 4", "from 1 to 3600, not 0"]);
    for (url, wanted) in [
        ("http://w.example/x", "must begin with https://"),
        ("ftp://w.example/x", "must be like"),
        ("w.example", "must be like"),
        ("https://user@w.example/x", "must be like"),
        ("https://w.example/x?y", "must be like"),
    ] {
        let keys = format!("type = \"witness\"\nurl = \"{url}\"\nvkey = \"v+1+k\"");
        anchor(&keys, &["line 3", "`anchor.url`", wanted]);
    }
    for url in ["http://127.0.0.1:8080/x", "http://[::1]/x", "http://localhost", "https://w/x/"] {
        let keys = format!("type = \"witness\"\nurl = \"{url}\"\nvkey = \"v+1+k\"");
        Tree::with(&format!("[[anchor]]\n{keys}")).load();
    }
    refused("[anchor]\ntype = \"journal\"", &["line 1", "write [[anchor]]"]);
    refused("anchor = 5", &["write [[anchor]]"]);
    refused("[[anchors]]\ntype = \"journal\"", &["did you mean `anchor`?"]);
    let twice = "[[anchor]]\ntype = \"journal\"\n".repeat(2);
    refused(&twice, &["two [[anchor]] tables for `journal`"]);
    let beside = "log_dir = \"/srv/log\"\n[[anchor]]\ntype = \"file\"\npath = \"/srv/log/a/b\"";
    refused(beside, &["`file /srv/log/a/b` is with the log itself", "name a file elsewhere"]);
}

#[test]
fn a_rule_about_a_unit_that_there_cannot_be_is_refused() {
    let rule = |unit: &str| format!("[[retention]]\nunit = {unit}\nkeep_days = 5");
    refused(&rule("\"ssh\""), &["line 2", "`retention.unit`", "write \"ssh.service\""]);
    refused(&rule("[\"a.socket\", \"b\"]"), &["write \"b.service\""]);
    Tree::with(&rule("[\"ssh*\", \"user@1000.service\"]")).load();
}

/// The file as it is shipped.
const SHIPPED: &str = include_str!("../config/auditlogd.toml");

#[test]
fn the_shipped_files_examples_are_what_is_printed() {
    let example = |line: &'static str| line.strip_prefix("#     ");
    let examples: Vec<&str> = SHIPPED.lines().filter_map(example).collect();
    let config = Tree::with(&examples.join("\n")).load();
    let printed = config.to_toml();
    let tables = &printed[printed.find("[[").expect("tables")..];
    // Every key of every type, with its default, in the same order.
    assert_eq!(tables.replace("\n\n", "\n").trim_end(), examples.join("\n"));
    let counts = [config.retention.len(), config.archives.len(), config.anchors.len()];
    assert_eq!(counts, [3, 2, 4]);
}
