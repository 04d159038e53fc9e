//! Where no daemon runs: the log is opened, ended and closed here.

use std::ffi::CString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Gid, Uid, User, geteuid, getuid, initgroups, setgid, setgroups, setuid};

use crate::cli::error::Error;
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{
    Engine, EngineSetup, Exposure, IndexSetup, Lock, Room, SpaceSetup, WriterError,
};
use crate::fs::Real;
use crate::ingest::{Peer, READ};
use crate::ledger::open::Setup;
use crate::ledger::{Decommissioned, Host, Paths, keys};
use crate::metrics::Metrics;
use crate::record::Record;

/// How long the database may take to follow.
const INDEX: Duration = Duration::from_secs(30);

pub(super) fn decommission(
    config: &Config,
    paths: &Paths,
    reason: &str,
) -> Result<Decommissioned, Error> {
    let uid = getuid().as_raw();
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Unusable { path, source }
    };
    become_owner(&paths.state_dir).map_err(unusable(&paths.state_dir))?;
    let disk = Real::for_group(config.group.as_deref()).map_err(unusable(&paths.state_dir))?;
    let group = disk.group;
    let _lock = Lock::take(&paths.state_dir, &paths.log_dir)?;
    let fields = Arc::new(config.field_map()?);
    let (disk, clock) = (Arc::new(disk), Clock::System);
    let host = Host::of_this_machine().map_err(unusable(Path::new("/proc")))?;
    let own_peer = Peer::of_self().map_err(unusable(Path::new("/proc")))?.json;
    let started = Record::started(&host.boot_id, clock.now().boot_ns, fields.hash());
    let setup = EngineSetup {
        ledger: Setup {
            fs: disk.clone(),
            paths: paths.clone(),
            host,
            entropy: keys::os_entropy(),
            own_peer,
            credential: None,
            on_read: Arc::new(|_| {}),
        },
        limits: config.ledger.clone(),
        exposure: Exposure::of(&config.ingest, READ),
        space: SpaceSetup::of(config, Room::without_patience().into()),
        repeats: config.ingest.repeats,
        queue_bytes: config.ingest.queue_bytes,
        kept: None,
        index: IndexSetup::new(config, fields, group),
        clock: clock.clone(),
        metrics: Arc::new(Metrics::default()),
        on_seal: Box::new(|_| {}),
        on_end: Box::new(|| {}),
        on_turn: Box::new(|_| None),
        on_index: Box::new(|| {}),
    };
    let (engine, _) = Engine::start(setup, started)?;
    let log_id = engine.log_id().to_owned();
    engine.record(Record::Decommissioned { reason: reason.to_owned(), uid });
    engine.stop("the log is decommissioned", INDEX).map_err(|e: WriterError| Error::from(e))?;
    let about = (log_id.as_str(), reason, uid);
    Ok(Decommissioned::note(&*disk, paths, about, clock.now().wall_ns)?)
}

/// Goes on as the user whose log it is, if root asks: what is written stays that user's, and a daemon that takes it
/// up again can write it.
fn become_owner(dir: &Path) -> io::Result<()> {
    let meta = std::fs::metadata(dir)?;
    if !geteuid().is_root() || meta.uid() == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
    match User::from_uid(uid)? {
        Some(user) => initgroups(&CString::new(user.name)?, gid)?,
        None => setgroups(&[gid])?,
    }
    setgid(gid)?;
    setuid(uid)?;
    Ok(())
}
