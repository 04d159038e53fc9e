//! Answering.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit as Place, Semaphore};
use tokio::time::timeout;

use super::{Reply, Request};

/// Questions that are answered at once; more wait.
const AT_ONCE: usize = 8;
const MAX_REQUEST: u64 = 64 << 10;
/// How long a client may take to say what it wants, and to take the answer.
const TALK: Duration = Duration::from_secs(5);

/// Answers a request of the user `uid`, on a thread that it may block.
pub type Answer = dyn Fn(Request, u32) -> Reply + Send + Sync;

/// Answers until it is dropped.
pub async fn serve(listener: &UnixListener, answer: Arc<Answer>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let _too_slow_or_gone = one(stream, answer, place).await;
                });
            }
            Err(e) => {
                tracing::warn!("the control socket could not accept: {e}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn one(stream: UnixStream, answer: Arc<Answer>, place: Place) -> std::io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    timeout(TALK, BufReader::new(read.take(MAX_REQUEST)).read_line(&mut line)).await??;
    let reply = match serde_json::from_str(&line) {
        Ok(request) => within_limit(request, uid, answer, place).await,
        Err(e) => Reply::Refused(format!("the request is not understood: {e}")),
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    timeout(TALK, write.write_all(&text)).await?
}

/// Answers on a thread of its own, since the writer or the disk may keep it waiting. One that takes too long
/// goes on, and keeps its place until it is done.
async fn within_limit(request: Request, uid: u32, answer: Arc<Answer>, place: Place) -> Reply {
    let limit = request.limit();
    let answering = tokio::task::spawn_blocking(move || {
        let reply = answer(request, uid);
        drop(place);
        reply
    });
    match timeout(limit, answering).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => Reply::Refused("a defect kept it from answering".into()),
        Err(_) => Reply::Refused(format!(
            "it was not done after {} seconds and goes on; `auditlog status` tells how it is",
            limit.as_secs()
        )),
    }
}
