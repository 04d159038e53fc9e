//! Answering.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{Reply, Request};

/// Questions that are answered at once; more wait.
const AT_ONCE: usize = 8;
const MAX_REQUEST: u64 = 1024;
const TIMEOUT: Duration = Duration::from_secs(5);

/// Answers a request of the user `uid`.
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
                    let _too_slow_or_gone =
                        tokio::time::timeout(TIMEOUT, one(stream, &*answer)).await;
                    drop(place);
                });
            }
            Err(e) => {
                tracing::warn!("the control socket could not accept: {e}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn one(stream: UnixStream, answer: &Answer) -> std::io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(MAX_REQUEST)).read_line(&mut line).await?;
    let reply = match serde_json::from_str(&line) {
        Ok(request) => answer(request, uid),
        Err(e) => Reply::Refused(format!("the request is not understood: {e}")),
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    write.write_all(&text).await
}
