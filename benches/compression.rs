//! `cargo bench --bench compression [-- MIB]`: how fast and how small closed segments become at each level, and what
//! a whole compression takes, with syncing, reading back and comparing.

mod common;

use std::fs;
use std::io::{self, Write};
use std::time::Duration;

use auditlogd::config::Compression;
use auditlogd::fs::Real;
use auditlogd::ledger::{Paths, segment};
use auditlogd::maintain::compress::{GZIP_LEVEL, ZSTD_LEVEL, compress};
use common::{Result, median, median_of, mib, write_log};

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (log_dir, state_dir) = (dir.path().join("log"), dir.path().join("state"));
    fs::create_dir(&log_dir)?;
    fs::create_dir(&state_dir)?;
    let paths = Paths { log_dir, state_dir };
    let lines = write_log(&paths, mib(256) << 20, event)?;
    let text = fs::read(paths.active())?;
    let bytes = text.len() as u64;
    println!("{lines} lines, {} bytes each on average, {} MiB", bytes / lines, bytes >> 20);

    for level in [1, 2, 3, 6, 9, 12, 15] {
        show("zstd", level, level == ZSTD_LEVEL, &text, |out| {
            let mut encoder = zstd::Encoder::new(out, level)?;
            encoder.include_checksum(true)?;
            encoder.set_pledged_src_size(Some(bytes))?;
            encoder.write_all(&text)?;
            encoder.finish().map(drop)
        })?;
    }
    for level in [1, 4, 5, 6, 9] {
        show("gzip", level as i32, level == GZIP_LEVEL, &text, |out| {
            let level = flate2::Compression::new(level);
            let mut encoder = flate2::write::GzEncoder::new(out, level);
            encoder.write_all(&text)?;
            encoder.finish().map(drop)
        })?;
    }
    for to in [Compression::Zstd, Compression::Gzip] {
        let speed = median_of(bytes, || whole(&paths, to, &text))?;
        println!("{} as the daemon does it  {:7.1} MB/s", to.as_str(), speed * 1e3);
    }
    Ok(())
}

/// Bytes that came out.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn show(
    name: &str,
    level: i32,
    chosen: bool,
    text: &[u8],
    run: impl Fn(&mut Count) -> io::Result<()>,
) -> Result<()> {
    let bytes = text.len() as u64;
    let mut size = 0;
    let speed = median(bytes, || {
        let mut count = Count(0);
        run(&mut count)?;
        size = count.0;
        Ok(())
    })?;
    let (ratio, mark) = (bytes as f64 / size as f64, if chosen { "  chosen" } else { "" });
    println!("{name} {level:<2}  {:7.1} MB/s  ratio {ratio:5.2}{mark}", speed * 1e3);
    Ok(())
}

/// Compresses the segment in its directory, and puts it back; how long the first took.
fn whole(paths: &Paths, to: Compression, text: &[u8]) -> Result<Duration> {
    let found = segment::read_header(&paths.active())?.ok_or("no segment")?;
    let done = compress(&Real::default(), &paths.log_dir, &found, to, &|| false)?;
    let done = done.ok_or("it was compressed already")?;
    fs::remove_file(done.path)?;
    fs::write(&found.path, text)?;
    Ok(done.duration)
}

/// A mixture of what hosts report: 250 to 450 bytes, with ids that no compressor makes smaller.
fn event(n: u64) -> String {
    // splitmix64
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let (who, ip, port) = (random() % 3_000, random() % 65_536, 1_024 + random() % 60_000);
    let ip = format!("10.{}.{}.{}", ip >> 14, ip >> 8 & 63, ip & 255);
    let session = format!("{:016x}{:016x}", random(), random());
    let (id, amount) = (random() % 10_000_000, random() % 1_000_000);
    let (took, outcome) =
        (random() % 9_000, if random() % 20 == 0 { "failure" } else { "success" });
    match random() % 4 {
        0 => format!(
            r#"{{"event_type":"auth.login","actor":"user-{who}@example.org","action":"logged in","outcome":"{outcome}","client_ip":"{ip}","session_id":"{session}","source":"sso","priority":"notice","data":{{"method":"password","mfa":true,"port":{port},"user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}}}}"#
        ),
        1 => format!(
            r#"{{"event_type":"http.request","actor":"user-{who}@example.org","action":"GET /api/v2/orders/{id}","outcome":"{outcome}","client_ip":"{ip}","correlation_id":"{session}","source":"gateway","duration_ms":{}.{:02},"data":{{"status":200,"bytes":{amount},"upstream":"orders-{}"}}}}"#,
            took / 100,
            took % 100,
            port % 12
        ),
        2 => format!(
            r#"{{"event_type":"order.updated","actor":"user-{who}@example.org","action":"update","outcome":"{outcome}","target":"order/{id}","session_id":"{session}","source":"billing","priority":"info","data":{{"fields":["status","amount"],"before":{{"status":"open","amount":{}.50}},"after":{{"status":"paid","amount":{amount}.25}},"retries":{}}}}}"#,
            amount / 2,
            port % 3
        ),
        _ => format!(
            r#"{{"event_type":"sudo.command","actor":"admin-{}","action":"ran /usr/bin/systemctl restart worker-{}.service","outcome":"{outcome}","target":"root","source":"sudo","priority":"warning","session_id":"{session}","data":{{"tty":"pts/{}","cwd":"/home/admin-{}","exit_status":{}}}}}"#,
            who % 40,
            port % 30,
            port % 9,
            who % 40,
            id % 2
        ),
    }
}
