//! A copy that an auditor gets was made by nobody knows whom: whatever its files are, the verifier ends soon, in
//! little memory, with a verdict.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use auditlogd::ledger::seal::Reason;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use crate::common::auditor::Auditor;
use crate::common::lab::Lab;
use crate::files::copy_dir;

/// More than anything here takes, also on a slow machine; what waits for ever takes longer.
const SOON: Duration = Duration::from_secs(60);

/// A good log, all in one directory.
fn copy() -> (TempDir, Auditor) {
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    lab.store(["a"]);
    lab.rotate();
    lab.store(["b"]);
    lab.seal(Reason::Time);
    lab.stop();
    let copy = tempfile::tempdir().expect("temporary directory");
    copy_dir(&lab.paths().log_dir, copy.path());
    for name in ["seals.jsonl", "checkpoint"] {
        fs::copy(lab.paths().state_dir.join(name), copy.path().join(name)).expect("copies");
    }
    (copy, auditor)
}

/// Runs `auditlog verify DIR` with at most `mib` MiB of address space; its exit code and what it says.
fn judge(auditor: &Auditor, dir: &Path, args: &[&str], mib: u64) -> (Option<i32>, String) {
    let mut command = Command::new("sh");
    let limit = format!("ulimit -v {}; exec \"$0\" \"$@\"", mib << 10);
    command.args(["-c", &limit, env!("CARGO_BIN_EXE_auditlog"), "--root"]).arg(dir);
    command.arg("verify").args(args).arg(dir).arg("--auditor-key").arg(auditor.file("auditor.key"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("runs");
    let start = Instant::now();
    while child.try_wait().expect("waits").is_none() {
        if start.elapsed() > SOON {
            child.kill().expect("kills");
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("ends");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_file_of_the_copy_that_is_none_is_not_waited_for() {
    for name in ["seals.jsonl", "checkpoint", "checkpoint.cosigned", "audit.db", "more.jsonl"] {
        for target in [None, Some("/dev/zero"), Some("/dev/tty"), Some(".")] {
            let (copy, auditor) = copy();
            let path = copy.path().join(name);
            let _not_there = fs::remove_file(&path);
            match target {
                None => mkfifo(&path, Mode::S_IRWXU).expect("a FIFO"),
                Some(target) => symlink(target, &path).expect("a link"),
            }
            let (code, text) =
                judge(&auditor, copy.path(), &["--key", &auditor.genesis_hex()], 4096);
            let wanted = if name == "seals.jsonl" { 6 } else { 0 };
            assert_eq!(code, Some(wanted), "{name} {target:?}: {text}");
            assert!(wanted == 0 || text.contains("it is no regular file"), "{text}");
        }
    }
}

/// Ten megabytes that are a terabyte, and long lines everywhere.
#[test]
fn what_unpacks_to_much_or_has_endless_lines_takes_little_memory() {
    let (copy, auditor) = copy();
    let good = copy.path().join("audit.jsonl");
    let header = fs::read(&good).expect("reads");
    let header = &header[..header.iter().position(|b| *b == b'\n').expect("a header") + 1];
    let long = |path: &Path, start: &[u8]| {
        let mut file = File::create(path).expect("creates");
        file.write_all(start).expect("writes");
        file.set_len(8 << 30).expect("a file with a hole");
    };
    let bomb = |path: &Path, start: &[u8]| {
        let mut packed = zstd::Encoder::new(File::create(path).expect("creates"), 1).expect("zstd");
        packed.write_all(start).expect("writes");
        let part = vec![b'x'; 1 << 20];
        (0..2048).for_each(|_| packed.write_all(&part).expect("writes"));
        packed.finish().expect("zstd");
    };
    type Write<'a> = &'a dyn Fn(&Path, &[u8]);
    let cases: [(&str, Write<'_>, &[u8], i32); 6] = [
        ("seals.jsonl", &long, b"", 4),
        ("checkpoint", &long, b"host/auditlog/", 0),
        ("other.jsonl", &long, b"{\"auditlog\":1,", 0),
        ("audit.jsonl", &long, header, 4),
        ("audit.jsonl", &bomb, header, 4),
        ("other.zst", &bomb, b"{\"auditlog\":1,", 0),
    ];
    for (name, write, start, wanted) in cases {
        let path = copy.path().join(name);
        let before = fs::read(&path).ok();
        write(&path, start);
        let (code, text) = judge(&auditor, copy.path(), &["--key", &auditor.genesis_hex()], 1024);
        assert_eq!(code, Some(wanted), "{name}: {text}");
        fs::remove_file(&path).expect("deletes");
        if let Some(before) = before {
            fs::write(path, before).expect("writes");
        }
    }
}

/// Numbers at the end of what can be counted are refused, with or without a key.
#[test]
fn the_largest_numbers_break_nothing() {
    const MAX: u64 = u64::MAX;
    let zeros = "0".repeat(64);
    let time = "2026-11-21T01:23:45.123456789Z";
    let tail = format!(",\"mac\":\"{zeros}\"}}\n");
    let seal = |size: u64| {
        let sig = "0".repeat(128);
        format!(
            "{{\"seq\":{size},\"ts\":\"{time}\",\"id\":\"x\",\"seal\":{{\"epoch\":0,\"first_seq\":0,\"size\":{size},\"root\":\"{zeros}\",\"prev\":\"{zeros}\",\"header\":\"{zeros}\",\"next_pub\":\"{zeros}\",\"boottime_ns\":{MAX},\"boot_id\":\"\",\"reason\":\"time\",\"sig\":\"{sig}\"}}{tail}"
        )
    };
    let segment = |first: u64| {
        let frontier = vec![format!("\"{zeros}\""); first.count_ones() as usize].join(",");
        let id = "0".repeat(32);
        format!(
            "{{\"auditlog\":1,\"log_id\":\"{id}\",\"host\":\"h\",\"segment\":{MAX},\"first_seq\":{first},\"frontier\":[{frontier}],\"opened\":\"{time}\"}}\n{{\"seq\":{first},\"ts\":\"{time}\",\"id\":\"x\",\"peer\":{{\"pid\":1,\"uid\":1,\"gid\":1,\"unit\":null,\"exe\":null}},\"event\":{{}}{tail}"
        )
    };
    for (first, size) in [
        (MAX, Some(MAX - 1)),
        (MAX, None),
        (MAX - 1, Some(MAX - 2)),
        (1 << 62, Some((1 << 62) - 1)),
    ] {
        let (_, auditor) = copy();
        for with_segment in [true, false] {
            let dir = tempfile::tempdir().expect("temporary directory");
            if with_segment {
                fs::write(dir.path().join("audit.jsonl"), segment(first)).expect("writes");
            }
            if let Some(size) = size {
                fs::write(dir.path().join("seals.jsonl"), seal(size)).expect("writes");
            }
            let key = auditor.genesis_hex();
            for args in [&["--key", &key[..]][..], &[]] {
                let (code, text) = judge(&auditor, dir.path(), args, 4096);
                assert!(matches!(code, Some(4 | 6)), "{code:?} {text}");
                assert!(!text.contains("panicked"), "{text}");
            }
        }
    }
}

/// A segment that was compressed with a tool that is not read here is named.
#[test]
fn a_segment_of_another_compressor_is_named() {
    let (copy, auditor) = copy();
    let first = fs::read_dir(copy.path()).expect("lists").filter_map(Result::ok);
    let closed =
        first.map(|entry| entry.path()).find(|path| path.to_string_lossy().ends_with("-0"));
    let closed = closed.expect("a closed segment");
    fs::remove_file(closed).expect("deletes");
    fs::write(copy.path().join("audit.jsonl-0.xz"), b"\xfd7zXZ\0\0\x04").expect("writes");
    let (code, text) = judge(&auditor, copy.path(), &["--key", &auditor.genesis_hex()], 4096);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("audit.jsonl-0.xz\" looks like a segment"), "{text}");
}
