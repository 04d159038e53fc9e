//! `cargo bench --bench index [-- MILLIONS]`: how fast lines of the ledger become rows of the index, million by million,
//! beside the same rows inserted without reading lines; what of the database takes how many bytes a row; and
//! how long it takes to find something in it. One million unless told otherwise; each takes about a gigabyte in `target/`.

#[path = "common/events.rs"]
mod events;
#[path = "common/insert.rs"]
mod insert;
#[path = "common/lines.rs"]
mod lines;
#[path = "common/runs.rs"]
mod runs;

use std::path::Path;
use std::time::{Duration, Instant};

use auditlogd::engine::each_row;
use auditlogd::event::FieldMap;
use auditlogd::index::{Filter, Options, Order, Reader, Writer};
use rusqlite::Connection;

use insert::{Inserted, defaults};
use lines::{LOG_ID, Lines};

const MILLION: u64 = 1_000_000;
const TIMES: usize = 5;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    // Cargo adds options of its own.
    let millions = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1);
    let dir = runs::directory();
    let path = dir.path().join("audit.db");
    let rate = follow(&path, millions)?;
    let bare = insert::insert(millions.min(2) * MILLION);
    println!(
        "all: {rate:.0} rows/s; without reading lines {bare:.0} rows/s; ratio {:.2}\n",
        rate / bare
    );
    sizes(&path, millions * MILLION)?;
    look_up(&path)
}

/// Lines into rows, as the daemon does it; rows a second over all.
fn follow(path: &Path, millions: u64) -> Result<f64> {
    runs::warm(millions * MILLION);
    let config = defaults();
    let options = Options { cache_bytes: config.index.cache_bytes as u64, ..Options::default() };
    let mut writer = Writer::open(path, LOG_ID, &options)?;
    let mut lines = Lines::new(usize::MAX);
    let map = FieldMap::builtin();
    let (mut all, mut longest) = (Duration::ZERO, Duration::ZERO);
    for million in 1..=millions {
        let mut spent = Duration::ZERO;
        while lines.seq < million * MILLION {
            lines.next((million * MILLION).min(lines.seq + config.index.batch_rows as u64));
            let text = lines.whole();
            let begun = Instant::now();
            let mut batch = writer.begin()?;
            let mut inserted = Inserted::into(&mut batch);
            each_row(&text, &map, LOG_ID, &mut inserted)?;
            inserted.finish()?;
            batch.commit(lines.seq)?;
            if writer.checkpoint_due(false)? {
                writer.checkpoint()?;
            }
            let took = begun.elapsed();
            (spent, longest) = (spent + took, longest.max(took));
        }
        all += spent;
        println!("million {million}: {:.0} rows/s", MILLION as f64 / spent.as_secs_f64());
    }
    println!("the longest transaction with its checkpoint: {} ms", longest.as_millis());
    writer.close()?;
    Ok((millions * MILLION) as f64 / all.as_secs_f64())
}

/// What takes how much.
fn sizes(path: &Path, rows: u64) -> Result<()> {
    let db = Connection::open(path)?;
    let sql = "SELECT name, sum(pgsize), sum(unused) FROM dbstat GROUP BY name ORDER BY 2 DESC";
    let mut select = db.prepare(sql)?;
    let mut found = select.query([])?;
    println!("bytes a row, and of them unused:");
    while let Some(row) = found.next()? {
        let per_row = |bytes: i64| bytes as f64 / rows as f64;
        let (used, unused) = (per_row(row.get(1)?), per_row(row.get(2)?));
        if used >= 0.05 {
            println!("  {:<20} {used:7.1} {unused:7.1}", row.get::<_, String>(0)?);
        }
    }
    println!(
        "  the file             {:7.1}\n",
        std::fs::metadata(path)?.len() as f64 / rows as f64
    );
    Ok(())
}

/// How long it takes to find something, milliseconds: the first time, and the median of some.
fn look_up(path: &Path) -> Result<()> {
    let reader = Reader::open(path)?;
    println!("the newest 100, ms           first  median   rows");
    let none = Filter::default;
    let text = |text: &str| Some(text.to_owned());
    for (what, filter) in [
        ("type", Filter { event_type: text("order.updated"), ..none() }),
        ("actor", Filter { actor: text("u-0500@example.org"), ..none() }),
        ("source", Filter { source: text("shop"), ..none() }),
        ("session", Filter { session_id: text("s-9e3779b1"), ..none() }),
        ("actor that is not", Filter { actor: text("nobody"), ..none() }),
        ("correlation that is not", Filter { correlation_id: text("0"), ..none() }),
        ("failures", Filter { outcome: Some(auditlogd::event::Outcome::Failure), ..none() }),
        ("severe", Filter { min_priority: Some(2), ..none() }),
        ("types below one", Filter { event_type: text("auth.*"), ..none() }),
    ] {
        timed(what, || {
            let rows = reader.query(&filter, Order::Newest, Some(100))?;
            Ok(rows.collect::<std::result::Result<Vec<_>, _>>()?.len())
        })?;
    }
    println!("typed by hand");
    for sql in [
        "SELECT * FROM by_event_type WHERE event_type = 'order.updated' LIMIT 100",
        "SELECT * FROM by_actor WHERE actor = 'u-0500@example.org' LIMIT 100",
        "SELECT * FROM by_actor WHERE actor = 'u-0500@example.org' ORDER BY seq DESC LIMIT 100",
        "SELECT * FROM by_source WHERE source = 'shop' LIMIT 100",
        "SELECT * FROM by_actor WHERE actor = 'nobody' LIMIT 100",
        "SELECT * FROM events WHERE event_type = 'order.updated' ORDER BY seq DESC LIMIT 100",
        "SELECT * FROM events WHERE source = 'shop' ORDER BY seq DESC LIMIT 100",
        "SELECT * FROM events WHERE actor = 'u-0500@example.org' ORDER BY seq DESC LIMIT 100",
        "SELECT * FROM events WHERE actor = 'nobody' ORDER BY seq DESC LIMIT 100",
        "SELECT event_type, count(*) FROM events WHERE ts_ns >= (SELECT ts_ns FROM events WHERE seq = (SELECT max(seq) - 1000000 FROM events)) GROUP BY event_type",
        "SELECT * FROM by_type_today",
    ] {
        let db = Connection::open(path)?;
        timed(sql, || {
            let mut select = db.prepare(sql)?;
            let mut rows = select.query([])?;
            let mut found = 0;
            while rows.next()?.is_some() {
                found += 1;
            }
            Ok(found)
        })?;
    }
    Ok(())
}

fn timed(what: &str, mut run: impl FnMut() -> Result<usize>) -> Result<()> {
    let (mut took, mut rows) = (Vec::new(), 0);
    for _ in 0..TIMES {
        let begun = Instant::now();
        rows = run()?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    println!("  {what:<25} {:7.2} {:7.2} {rows:6}", took[0], runs::median(took.iter().copied()));
    Ok(())
}
