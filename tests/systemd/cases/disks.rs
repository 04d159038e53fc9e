//! A disk that hangs and a disk that is full.

use std::io::Read;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::container::{Container, LONG, wait};
use crate::image;
use crate::packages::Revision;
use crate::service::UNIT;
use crate::traffic::Traffic;

const LOG: &str = "/var/log/auditlogd";

/// A watchdog and stops that take no minutes.
const IMPATIENT: &str = "[Service]
WatchdogSec=3
TimeoutAbortSec=2
TimeoutStopSec=2
";

/// The log's file system, frozen: whoever writes to it hangs. It thaws when this is dropped or the test dies,
/// for its process is outside of the container's and waits for the end of its input.
struct Frozen(Child);

impl Frozen {
    fn freeze(container: &Container) -> Self {
        let script = format!(
            "trap 'fsfreeze --unfreeze {LOG}' EXIT; fsfreeze --freeze {LOG}; echo; exec 1>&-; cat >/dev/null"
        );
        let mut child = container
            .mounts(&["sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsenter runs");
        let mut said = String::new();
        child.stdout.take().expect("its output").read_to_string(&mut said).expect("reads");
        assert_eq!(said, "\n", "the log's file system is frozen");
        Self(child)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn with_log_of(size: &str) -> Container {
    let container = Container::boot_with_log_of(&image::directory(), size);
    container.install(Revision::First);
    container
}

pub fn the_watchdog_notices_a_disk_that_hangs() {
    let container = with_log_of("64M");
    container.write("/etc/systemd/system/auditlogd.service.d/test.conf", IMPATIENT);
    container.run(&format!("systemctl daemon-reload && systemctl restart {UNIT}"));
    // While the disk is well it is not fired, also when nothing happens.
    let daemon = container.daemon();
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(container.daemon(), daemon, "an idle daemon is left alone");
    let frozen = Frozen::freeze(&container);
    // Written and not stored; the client ends with nobody telling it anything.
    let event = r#"printf '{"event_type":"test","event_id":"while-frozen"}\n'"#;
    container.run(&format!("{event} | socat -u - UNIX-CONNECT:/run/auditd.sock"));
    wait("the watchdog fires", LONG, || {
        let journal = container.run(&format!("journalctl --unit={UNIT} --output=cat"));
        journal.contains("Watchdog timeout").then_some(())
    });
    drop(frozen);
    container.wait_for_successor(&daemon);
    container.emit("alice", "after-the-thaw");
    container.stored("after-the-thaw");
    container.stored("while-frozen");
    assert_ne!(container.daemon(), daemon, "another daemon runs");
    container.assert_untampered();
}

pub fn a_full_disk_loses_nothing() {
    let container = with_log_of("256M");
    container.emit("alice", "before");
    let free = container.run(&format!("df --output=avail --block-size=1M {LOG} | tail -1"));
    let free: u64 = free.trim().parse().expect("MiB");
    let traffic = Traffic::start(&container, "full");
    container.run(&format!("fallocate --length {}M {LOG}/ballast", free - 10));
    wait("the disk is too full for these events", LONG, || {
        let journal = container.run(&format!("journalctl --unit={UNIT} --output=cat"));
        journal.contains("only events of priority error and worse are stored").then_some(())
    });
    container.run(&format!("rm {LOG}/ballast"));
    traffic.flows();
    traffic.finish().assert_perfect();
    container.stored("before");
    container.assert_untampered();
}
