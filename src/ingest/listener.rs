//! Accepts connections: as many at once as is configured, the others wait in the kernel's queue.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::rejects::Rejects;
use super::socket::Socket;
use super::{Context, Shared, connection};

/// How long to wait for a file descriptor or memory before the next try.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Serves clients until `shutdown` is ready. Then nobody new is let in, what clients have written by
/// then is committed and acknowledged, and it returns. The writer must go on until it has.
pub async fn serve(socket: Socket, context: Context, shutdown: impl Future<Output = ()>) {
    let rejects = Rejects::new(context.submitter.clone());
    let (stop, stopping) = watch::channel(false);
    let mut room = Room {
        limits: context.limits.clone(),
        shared: Arc::new(Shared { context, rejects }),
        stopping,
        connections: JoinSet::new(),
        short: false,
    };
    tokio::select! {
        biased;
        () = shutdown => {}
        () = room.accept(socket.listener()) => {}
    }
    // Nobody new finds the socket from here on, and the queue only gets shorter.
    if let Err(error) = socket.close().and_then(|listener| room.accept_queued(&listener)) {
        tracing::warn!(%error, "connections that waited at the stop were not heard");
    }
    let _ = stop.send(true);
    while room.connections.join_next().await.is_some() {
        room.shared.context.metrics.connections.sub(1);
    }
    room.shared.rejects.close().await;
}

struct Room {
    limits: watch::Receiver<Arc<super::Limits>>,
    shared: Arc<Shared>,
    stopping: watch::Receiver<bool>,
    connections: JoinSet<()>,
    /// Descriptors or memory ran short, and that was logged.
    short: bool,
}

impl Room {
    /// Accepts for ever.
    async fn accept(&mut self, listener: &UnixListener) {
        loop {
            let full = self.connections.len() >= self.limits.borrow().max_connections.max(1);
            tokio::select! {
                Some(_) = self.connections.join_next() => {
                    self.shared.context.metrics.connections.sub(1);
                }
                Ok(()) = self.limits.changed() => {}
                accepted = listener.accept(), if !full => match accepted {
                    Ok((stream, _)) => self.welcome(stream),
                    Err(error) => self.accept_failed(error).await,
                },
            }
        }
    }

    /// Accepts those who had connected when the socket's file was removed. The kernel is asked itself: the
    /// runtime only knows of what it has been woken for.
    fn accept_queued(&mut self, listener: &std::os::unix::net::UnixListener) -> io::Result<()> {
        let room = self.limits.borrow().max_connections.saturating_sub(self.connections.len());
        for _ in 0..room {
            let (stream, _) = match listener.accept() {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                accepted => accepted?,
            };
            stream.set_nonblocking(true)?;
            self.welcome(UnixStream::from_std(stream)?);
        }
        Ok(())
    }

    fn welcome(&mut self, stream: UnixStream) {
        if self.short {
            tracing::info!("connections are accepted again");
            self.short = false;
        }
        let metrics = &self.shared.context.metrics;
        metrics.connections.add(1);
        metrics.connections_accepted.add(1);
        self.connections.spawn(connection::run(stream, self.shared.clone(), self.stopping.clone()));
    }

    /// Most failures are about the one connection and it is gone. Where something ran short, the
    /// connection stays in the queue: without a pause this would spin.
    async fn accept_failed(&mut self, error: io::Error) {
        let errno = error.raw_os_error().map(Errno::from_raw);
        if !matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS)) {
            return tracing::debug!(%error, "a connection was not accepted");
        }
        if !self.short {
            tracing::warn!(%error, "no more connections can be accepted: raise LimitNOFILE= or lower max_connections");
            self.short = true;
        }
        tokio::time::sleep(BACK_OFF).await;
    }
}
