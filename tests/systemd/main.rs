//! The service on a real systemd: the packages, installed in a container that boots Debian 12.
//!
//! `SYSTEMD_TESTS=1 cargo test --test systemd [-- NAME]`, as root on Debian, with what `.ci/run` installs; with
//! `-- report` it measures instead, and with `-- prepare` it only makes the system that the containers boot and the packages,
//! of which the latter are used with `SYSTEMD_TESTS=prepared` and otherwise made again.

mod cases;
mod container;
mod image;
mod load;
mod oracle;
mod packages;
mod report;
mod service;
mod traffic;

use libtest_mimic::{Arguments, Trial};
use packages::Revision;

const HOW: &str =
    "to run them: sudo --preserve-env=PATH env SYSTEMD_TESTS=1 cargo test --test systemd";

fn main() {
    if load::wanted() {
        return load::main();
    }
    let asked_for = std::env::var_os("SYSTEMD_TESTS").is_some_and(|value| value == "1")
        || packages::are_prepared();
    match asked_for {
        true => assert_possible(),
        false => println!("skipped: these tests boot a container, as root; {HOW}"),
    }
    if asked_for && std::env::args().nth(1).is_some_and(|word| word == "prepare") {
        println!("the containers boot {}", image::directory().display());
        for revision in [Revision::First, Revision::Next] {
            println!("and install {}", packages::deb(revision).display());
        }
        return;
    }
    if asked_for && let Some(rounds) = report::wanted() {
        return report::main(rounds);
    }
    let mut arguments = Arguments::from_args();
    // The containers are large, and one must not slow another down.
    arguments.test_threads = Some(1);
    let mut trials = Vec::new();
    for (name, case) in cases::all() {
        let trial = Trial::test(name, move || {
            case();
            Ok(())
        });
        trials.push(trial.with_ignored_flag(!asked_for));
    }
    let ended = libtest_mimic::run(&arguments, trials);
    cases::end();
    ended.exit();
}

/// Who asks for these tests has to get them: what is missing fails, and is not skipped.
fn assert_possible() {
    assert!(nix::unistd::geteuid().is_root(), "a container needs root; {HOW}");
    for (program, package) in [
        ("mmdebstrap", "mmdebstrap"),
        ("systemd-nspawn", "systemd-container"),
        ("mkfs.ext4", "e2fsprogs"),
    ] {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&paths).any(|path| path.join(program).exists());
        assert!(found, "no {program} in PATH: apt-get install {package}");
    }
}
