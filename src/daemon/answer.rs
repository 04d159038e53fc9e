//! What the daemon answers on its control socket.

use std::sync::Arc;

use crate::config::Config;
use crate::control::{Answer, Reply, Request, Status};
use crate::engine::{Engine, IndexHandle};
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
    let publisher = publisher.clone();
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
        Request::Reindex => reindex(&index, uid),
    })
}

fn reindex(index: &IndexHandle, uid: u32) -> Reply {
    if uid != 0 && uid != nix::unistd::geteuid().as_raw() {
        return Reply::Refused("only root and the daemon's own user may rebuild the index".into());
    }
    tracing::info!(uid, "the index is rebuilt");
    index.reindex();
    Reply::Accepted
}
