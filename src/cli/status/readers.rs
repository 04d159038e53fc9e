//! Who reads the database just now. A reader that goes on and on keeps its write-ahead log from being emptied.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The bytes of the `-shm` file that readers lock (SQLite, "WAL-mode file format", section 2.3).
const READ_LOCKS: std::ops::RangeInclusive<u64> = 123..=127;

/// The processes that read the database at `path`, `1234 (sqlite3)`, without this one and the daemon.
pub(super) fn of(path: &Path, daemon: Option<u32>) -> Vec<String> {
    let mut shm = path.as_os_str().to_owned();
    shm.push("-shm");
    let Ok(meta) = fs::metadata(shm) else { return Vec::new() };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut pids = pids(&locks, meta.ino());
    pids.retain(|pid| *pid != std::process::id() && Some(*pid) != daemon);
    pids.into_iter().map(named).collect()
}

fn named(pid: u32) -> String {
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("{pid} ({})", name.trim_end()),
        Err(_) => pid.to_string(),
    }
}

/// Who has a read lock on the file with this inode: `1: POSIX  ADVISORY  READ 1234 fe:00:99 124 124`
/// (proc_locks(5)). Another file of that inode on another device would have to be locked at the same bytes.
fn pids(locks: &str, inode: u64) -> Vec<u32> {
    let of_line = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().filter(|field| *field != "->").collect();
        let [_, "POSIX", _, "READ", pid, file, start, _] = fields[..] else { return None };
        let file_inode: u64 = file.rsplit(':').next()?.parse().ok()?;
        let reads = READ_LOCKS.contains(&start.parse().ok()?);
        if file_inode == inode && reads { pid.parse().ok() } else { None }
    };
    let mut pids: Vec<u32> = locks.lines().filter_map(of_line).collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_who_locks_one_of_the_bytes_for_reading() {
        let locks = "\
            1: POSIX  ADVISORY  READ  70 fe:00:99 124 124\n\
            2: POSIX  ADVISORY  READ  70 fe:00:99 128 128\n\
            3: POSIX  ADVISORY  WRITE 71 fe:00:99 120 120\n\
            4: POSIX  ADVISORY  READ  72 fe:00:98 124 124\n\
            5: FLOCK  ADVISORY  WRITE 73 fe:00:99 0 EOF\n\
            6: POSIX  ADVISORY  READ  -1 fe:00:99 124 124\n\
            7: POSIX  ADVISORY  READ  69 fe:00:99 123 127\n\
            8: POSIX";
        assert_eq!(pids(locks, 99), [69, 70]);
    }

    #[test]
    fn a_transaction_that_is_open_is_seen() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("audit.db");
        let open = || rusqlite::Connection::open(&path).expect("opens");
        let db = open();
        db.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (x)").expect("written");
        let inode = fs::metadata(dir.path().join("audit.db-shm")).expect("there").ino();
        let own = || pids(&fs::read_to_string("/proc/locks").expect("read"), inode);
        assert!(own().is_empty());
        let reader = open();
        reader.execute_batch("BEGIN; SELECT * FROM t").expect("reads");
        assert_eq!(own(), [std::process::id()]);
    }
}
