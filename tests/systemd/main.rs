//! The service on a real systemd: the packages, installed in a container that boots Debian 12.
//!
//! `SYSTEMD_TESTS=1 cargo test --test systemd [-- NAME]`, as root on Debian, with what `.ci/run` installs; with
//! `-- report` it measures instead.

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

fn main() {
    if load::wanted() {
        return load::main();
    }
    if let Some(rounds) = report::wanted() {
        return report::main(rounds);
    }
    let mut arguments = Arguments::from_args();
    // The containers are large, and what they measure is not to be measured beside each other.
    arguments.test_threads = Some(1);
    let asked_for = std::env::var_os("SYSTEMD_TESTS").is_some_and(|value| value == "1");
    if !asked_for {
        println!(
            "skipped: these boot a container, as root; to run them: sudo --preserve-env=PATH env SYSTEMD_TESTS=1 cargo test --test systemd"
        );
    }
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
