//! The life of a whole engine with its maintenance: days of events, some of which are held, and the rest goes.

use std::sync::Arc;

use auditlogd::config::{self, Sources};
use auditlogd::engine::CommitFailed;
use auditlogd::maintain::holds::Holds;
use auditlogd::maintain::{Cause, Runner, Settings, Setup, Watcher};
use auditlogd::retention::{Match, NewHold};

use crate::common::lab::{event, now, paths};
use crate::common::running::Running;
use crate::lives::Ended;
use crate::stage::{Promise, Stage};

const CONFIG: &str = "[maintenance]\nkeep_days = 1\nmin_free_bytes = 0\n\
                      [ledger]\nrotate_seconds = 0\nrotate_bytes = 0\n";
const HALF_A_DAY: u64 = 43_200;

/// Events, rotations by the daemon and by logrotate, maintenance each half day, a hold, a stop.
pub fn life(stage: &Stage) -> Ended {
    let etc = stage.root().join("etc/auditlogd");
    std::fs::create_dir_all(&etc)?;
    std::fs::write(etc.join("auditlogd.toml"), CONFIG)?;
    let running = Running::start_with(stage.fs(), stage.root(), 1, now(100), |_| {})?;
    stage.created();
    let ended = days(stage, &running);
    // Also one that ends early: its writer would seal the log while the next start reads it, which a daemon's lock prevents.
    let stopped = running.stop();
    ended?;
    stopped?;
    Ok(())
}

fn days(stage: &Stage, running: &Running) -> Ended {
    let holds = Arc::new(Holds::new(stage.fs(), &paths(stage.root()).state_dir));
    let mut runner = runner(stage, running, holds.clone());
    for day in 0..6 {
        store(stage, running, &format!("{day}-a"))?;
        match day {
            1 => {
                let active = stage.active();
                stage.disk.rename_by_hand(&active, &active.with_extension("jsonl-1"));
                running.reopen();
            }
            _ => drop(running.writer().rotate("half a day is over".into())?),
        }
        if day == 2 {
            let what = Match { actor: vec!["mallory".into()], ..Match::default() };
            let new = NewHold {
                id: Some("case-7".into()),
                what,
                since_ns: None,
                until_ns: None,
                reason: "a case".into(),
            };
            holds.add(new, 0, running.now().wall_ns, &running.writer())?;
            stage.promise(Promise::Held("case-7".into()));
        }
        running.pass(HALF_A_DAY as i64, HALF_A_DAY);
        maintain(stage, &mut runner, day);
    }
    store(stage, running, "last")?;
    Ok(())
}

fn runner(stage: &Stage, running: &Running, holds: Arc<Holds>) -> Runner {
    Runner::new(Setup {
        fs: stage.fs(),
        paths: paths(stage.root()),
        clock: running.clock(),
        boot_id: "11111111-1".into(),
        log_id: running.engine.log_id().to_owned(),
        writer: running.writer(),
        index: running.index(),
        database: paths(stage.root()).state_dir.join("audit.db"),
        holds,
        metrics: running.metrics.clone(),
        on_space: Box::new(|_| {}),
    })
}

/// One run. What is older than a day may go, but for what is held.
fn maintain(stage: &Stage, runner: &mut Runner, day: u64) {
    for old in 0..day {
        if old != 1 {
            stage.promise(Promise::MayGo(event(format!("{old}-a"))));
        }
    }
    let sources = Sources { root: Some(stage.root().into()), ..Sources::default() };
    let config = config::load(&sources).expect("a configuration");
    let fields = Arc::new(config.field_map().expect("a field map"));
    let settings = Settings::of(&config, fields);
    runner.run(Cause::default(), &settings, &Watcher { stop: &|| false, doing: &|_| {} });
}

/// An event a day; those of the day with number 1 are the held one's.
fn store(stage: &Stage, running: &Running, name: &str) -> Result<(), CommitFailed> {
    let event = match name.starts_with("1-") {
        true => format!(r#"{{"actor":"mallory","name":"{name}"}}"#),
        false => event(name),
    };
    let Some(receipt) = running.store(&event)? else { return Ok(()) };
    let mac = String::from_utf8_lossy(&receipt.mac).into_owned();
    stage.promise(Promise::Stored { seq: receipt.seq, mac, event });
    Ok(())
}
