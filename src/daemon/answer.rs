//! What the daemon answers on its control socket.

use std::sync::Arc;

use crate::config::Config;
use crate::control::{Answer, Reply, Request, Status};
use crate::engine::{Engine, IndexHandle, WriterHandle};
use crate::metrics::Metrics;
use crate::publish::Publisher;

/// Answers with what `engine` and `publisher` know at that moment.
pub fn answer(
    config: &Config,
    engine: &Engine,
    publisher: &Arc<Publisher>,
    metrics: Arc<Metrics>,
    started: String,
) -> Arc<Answer> {
    let (socket, log_id, index) =
        (config.socket.display().to_string(), engine.log_id().to_owned(), engine.index());
    let (publisher, writer) = (publisher.clone(), engine.writer());
    Arc::new(move |request, uid| match request {
        Request::Status => Reply::Status(Box::new(Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            started: started.clone(),
            log_id: log_id.clone(),
            socket: socket.clone(),
            index_error: index.error(),
            anchors: publisher.status(),
            metrics: metrics.snapshot(),
        })),
        _ if !may_change(uid) => {
            Reply::Refused("only root and the daemon's own user may ask for that".into())
        }
        Request::Reindex => reindex(&index, uid),
        Request::Rotate => rotate(&writer, uid),
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
            tracing::info!(uid, segment = ?rotated.path, "rotated");
            Reply::Rotated { path: rotated.path, bytes: rotated.bytes }
        }
        Err(e) => Reply::Refused(e.to_string()),
    }
}
