//! What the daemon answers on its control socket.

use std::sync::Arc;

use super::problems::gather;
use super::reload::Requests;
use crate::clock::{Clock, rfc3339};
use crate::config::Config;
use crate::control::{Account, Answer, Reply, Request, Status};
use crate::engine::{Engine, IndexHandle, WriterHandle};
use crate::maintain::holds::{Holds, HoldsError};
use crate::maintain::{MaintainHandle, Progress};
use crate::metrics::Metrics;
use crate::publish::Publisher;
use crate::retention::Hold;

/// Answers with what `engine` and `publisher` know at that moment.
pub fn answer(
    config: &Config,
    engine: &Engine,
    publisher: &Arc<Publisher>,
    maintenance: MaintainHandle,
    metrics: Arc<Metrics>,
    holds: Arc<Holds>,
    requests: Arc<Requests>,
) -> Arc<Answer> {
    let (socket, log_id, index) =
        (config.socket.display().to_string(), engine.log_id().to_owned(), engine.index());
    let started = rfc3339(Clock::System.now().wall_ns);
    let room = engine.room();
    let (publisher, writer) = (publisher.clone(), engine.writer());
    Arc::new(move |request, uid| match request {
        Request::Status => {
            index.look();
            let (anchors, maintenance) = (publisher.status(), maintenance.status());
            Reply::Status(Box::new(Status {
                version: env!("CARGO_PKG_VERSION").into(),
                pid: std::process::id(),
                started: started.clone(),
                log_id: log_id.clone(),
                socket: socket.clone(),
                index_error: index.error(),
                problems: gather(&metrics, &anchors, &maintenance),
                anchors,
                maintenance: Some(maintenance),
                space: room.state(),
                metrics: metrics.snapshot(),
                accounts: metrics.accounts.snapshot(),
            }))
        }
        Request::Account => {
            let users = metrics.accounts.snapshot();
            let (connections, connections_left_out) = metrics.open.snapshot();
            Reply::Account(Box::new(Account { users, connections, connections_left_out }))
        }
        _ if !may_change(uid) => {
            Reply::Refused("only root and the daemon's own user may ask for that".into())
        }
        Request::Reindex => reindex(&index, uid),
        Request::Rotate => rotate(&writer, uid),
        Request::Decommission { reason } => {
            if let Err(why) = crate::retention::check_reason(&reason) {
                return Reply::Refused(why);
            }
            tracing::warn!("uid {uid} ends this log for good: {reason}");
            requests.decommission(reason, uid);
            Reply::Accepted
        }
        Request::Reload => reload(&requests, uid),
        Request::HoldAdd(new) => {
            let now_ns = Clock::System.now().wall_ns;
            held("added", uid, holds.add(*new, uid, now_ns, &writer))
        }
        Request::HoldRemove { id, reason } => {
            held("released", uid, holds.remove(&id, &reason, uid, &writer))
        }
        Request::Maintain => Reply::Run(maintenance.request(uid)),
        Request::Maintaining(run) => match maintenance.progress(run) {
            Progress::Doing(what) => Reply::Maintaining(what),
            Progress::Ended(done) => Reply::Maintained(done),
            Progress::Stopping => Reply::Refused("it stops".into()),
        },
    })
}

/// Who may have anything changed; whoever reaches the socket may ask how it is.
fn may_change(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw()
}

fn reindex(index: &IndexHandle, uid: u32) -> Reply {
    tracing::info!(uid, "the index is rebuilt");
    index.reindex();
    Reply::Accepted
}

fn rotate(writer: &WriterHandle, uid: u32) -> Reply {
    match writer.rotate(format!("uid {uid} asked for it")) {
        Ok(rotated) => {
            tracing::info!("{:?} is closed: uid {uid} asked for it", rotated.path);
            Reply::Rotated { path: rotated.path, bytes: rotated.bytes }
        }
        Err(e) => Reply::Refused(e.to_string()),
    }
}

fn reload(reloads: &Requests, uid: u32) -> Reply {
    tracing::info!("uid {uid} asked for a reload");
    match reloads.ask() {
        Some(Ok(reloaded)) => {
            Reply::Reloaded { applied: reloaded.applied, restart: reloaded.restart }
        }
        Some(Err(why)) => Reply::NotReloaded(why),
        None => Reply::Refused("it stops".into()),
    }
}

fn held(did: &str, uid: u32, outcome: Result<Hold, HoldsError>) -> Reply {
    match outcome {
        Ok(hold) => {
            tracing::info!("uid {uid} {did} the hold {}: {hold}", hold.id);
            Reply::Held(Box::new(hold))
        }
        Err(e) => Reply::Refused(e.to_string()),
    }
}
