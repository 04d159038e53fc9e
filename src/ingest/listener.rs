//! Accepts connections: as many at once as is configured, the others wait in the kernel's queue.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place};

use super::connection::Connection;
use super::descriptors::{self, Shortage};
use super::overflow::Overflow;
use super::peer::Peer;
use super::quota::{Quotas, Seat};
use super::rejects::Rejects;
use super::socket::Socket;
use super::turned_away::turn_away;
use super::{Context, Shared, Stop};
use crate::config::Ingest;
use crate::kept::store::Store;
use crate::kept::{LastRun, Left, Slot};
use crate::kernel;
use crate::metrics::SHARED;

/// How long to wait for a file descriptor or memory before the next try.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Connections whose end is worth giving memory back for.
const MANY: usize = 256;

/// Serves clients until `shutdown` is ready, beginning with those of the last run. When the daemon drains,
/// nobody new is let in, what clients have written by then is committed and acknowledged, and it returns. When it hands
/// over, clients keep their connections, and what they write from then on is for the next run. The writer must go
/// on until this returns.
pub async fn serve(
    socket: Socket,
    last_run: LastRun,
    context: Context,
    shutdown: impl Future<Output = Stop>,
) {
    let rejects = Rejects::new(&context.submitter, context.store.clone());
    let (room, metrics) = (context.room.clone(), context.metrics.clone());
    let (submitter, store) = (context.submitter.clone(), context.store.clone());
    let overflow = Overflow::new(room, submitter, &context.spool, metrics.clone(), store.clone());
    let quotas = Quotas::new(context.limits.clone(), &context.submitter, metrics, store);
    let (stop, stopping) = watch::channel(Stop::No);
    let mut room = Room {
        limits: context.limits.clone(),
        shared: Arc::new(Shared { context, rejects, quotas, overflow }),
        stopping,
        connections: JoinSet::new(),
        most_open: 0,
        shortage: Shortage::default(),
    };
    let shared = room.shared.clone();
    let reporting = tokio::spawn(async move { shared.quotas.report().await });
    for left in last_run.connections {
        room.resume(left);
    }
    let shared = room.shared.clone();
    let take_in = tokio::spawn(async move { shared.overflow.take_in().await });
    let how = tokio::select! {
        biased;
        how = shutdown => how,
        never = room.accept(socket.listener()) => match never {},
    };
    if how == Stop::Drain || !socket.outlives_the_process() {
        // Nobody new finds the socket from here on, and the queue only gets shorter.
        if let Err(error) = socket.close().and_then(|listener| room.accept_queued(&listener)) {
            tracing::warn!(%error, "connections that waited at the stop were not heard");
        }
    }
    let _ = stop.send(how);
    while room.connections.join_next().await.is_some() {
        room.shared.context.metrics.connections.sub(1);
    }
    // What still waits is for the next run.
    take_in.abort();
    let _it_never_ends_by_itself = take_in.await;
    room.shared.rejects.close().await;
    room.shared.quotas.close();
    // It only fails if it panicked; what it left to report is written here.
    let _ = reporting.await;
    room.shared.quotas.write().await;
    room.shared.overflow.close().await;
    if let Some(store) = &room.shared.context.store {
        block_in_place(|| store.flush());
    }
}

/// A connection that the runtime knows of.
fn registered(stream: std::os::unix::net::UnixStream) -> Option<UnixStream> {
    let registered = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
    registered
        .inspect_err(|error| tracing::error!(%error, "a connection cannot be served and is closed"))
        .ok()
}

/// Whose connection it is. The kernel knows of every one that was accepted.
fn uid(stream: &UnixStream) -> u32 {
    stream.peer_cred().map_or(SHARED, |cred| cred.uid())
}

/// Begins with a connection, whoever that is.
async fn begin(
    stream: UnixStream,
    peer: io::Result<Peer>,
    slot: Option<Slot>,
    shared: &Shared,
    seat: &Seat,
    mut stop: watch::Receiver<Stop>,
    replayed: Option<String>,
) {
    let store = shared.context.store.as_ref();
    let mut slot = slot;
    let waits = store.filter(|_| slot.is_none()).map(Store::not_kept);
    let _served = seat.served(&mut shared.context.limits.clone(), &mut stop).await;
    if slot.is_some() && *stop.borrow() == Stop::HandOver {
        // Nothing of it was read: it begins with the next run.
        return;
    }
    if slot.is_none() && *stop.borrow() == Stop::No {
        slot = store.and_then(|store| block_in_place(|| store.keep(&stream)));
    }
    let _until_it_is_over = waits.filter(|_| slot.is_none());
    match peer {
        Ok(peer) => Connection::new(stream, peer, slot).run(shared, seat, stop, replayed).await,
        Err(error) => {
            tracing::warn!(%error, "a connection has no peer and was closed");
            if let (Some(store), Some(slot)) = (&shared.context.store, slot) {
                store.remove(slot.into());
            }
        }
    }
}

struct Room {
    limits: watch::Receiver<Arc<super::Limits>>,
    shared: Arc<Shared>,
    stopping: watch::Receiver<Stop>,
    connections: JoinSet<()>,
    /// The most that were open since memory was last given back.
    most_open: usize,
    shortage: Shortage,
}

impl Room {
    /// Accepts for ever.
    async fn accept(&mut self, listener: &UnixListener) -> std::convert::Infallible {
        loop {
            let full = self.is_full();
            tokio::select! {
                Some(_) = self.connections.join_next() => self.ended(),
                Ok(()) = self.limits.changed() => {}
                accepted = listener.accept(), if !full => match accepted {
                    Ok((stream, _)) => self.receive(stream),
                    Err(error) => self.accept_failed(error).await,
                },
            }
        }
    }

    /// Accepts those who had connected when the socket's file was removed. The kernel is asked itself: the
    /// runtime only knows of what it has been woken for.
    fn accept_queued(&mut self, listener: &std::os::unix::net::UnixListener) -> io::Result<()> {
        let room = self.most().saturating_sub(self.connections.len());
        for _ in 0..room {
            let (stream, _) = match listener.accept() {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                accepted => accepted?,
            };
            if let Some(stream) = registered(stream) {
                let seat = self.shared.quotas.seat(uid(&stream));
                self.welcome(stream, seat);
            }
        }
        Ok(())
    }

    /// Welcomes a client if its user has not got its share of the connections.
    fn receive(&mut self, stream: UnixStream) {
        let free = self.most().saturating_sub(self.connections.len());
        let uid = uid(&stream);
        match self.shared.quotas.admit(uid, free) {
            Some(seat) => self.welcome(stream, seat),
            None => turn_away(&stream, uid, &self.shared.quotas),
        }
    }

    /// Connections that may be open at once, those that wait to be served included.
    fn most(&self) -> usize {
        let served = self.limits.borrow().max_connections.max(1);
        served.saturating_mul(Ingest::TIMES_SERVED).min(descriptors::room())
    }

    fn welcome(&mut self, stream: UnixStream, seat: Seat) {
        self.shortage.ends();
        self.shared.context.metrics.connections_accepted.add(1);
        // At once: until it is kept, a kill loses it.
        let store = self.shared.context.store.as_ref();
        let slot = store.and_then(|store| block_in_place(|| store.keep(&stream)));
        let (shared, stop) = (self.shared.clone(), self.stopping.clone());
        self.spawn(async move {
            let peer = Peer::of(&stream).await;
            begin(stream, peer, slot, &shared, &seat, stop, None).await;
        });
    }

    /// Goes on with a connection of the last run.
    fn resume(&mut self, left: Left) {
        let Left { fd, slot, known, replayed } = left;
        let resumed = slot.as_ref().map(|slot| match (known, slot.peer()?) {
            (true, Some(peer)) => slot.resume(&fd).map(|resumed| Some((peer, resumed))),
            // One that was accepted, but not asked who it is, was not read either.
            _ => slot.start(&fd).map(|()| None),
        });
        let resumed = resumed.transpose();
        if let (Err(_), Some(slot)) = (&resumed, &slot)
            && let Err(error) = slot.restart(&fd)
        {
            return tracing::error!(%error, "a connection cannot be read and is left to the next run");
        }
        let Some(stream) = registered(fd.into()) else { return };
        match (resumed, slot) {
            (Ok(Some(Some((peer, resumed)))), Some(slot)) => {
                let log_id = &self.shared.context.log_id;
                let connection = Connection::resume(stream, slot, peer, resumed, log_id);
                let (shared, stop) = (self.shared.clone(), self.stopping.clone());
                let seat = shared.quotas.seat(connection.uid());
                let served = seat.served_as_before(&shared.limits());
                self.spawn(async move {
                    let _until_it_is_over = served;
                    connection.run(&shared, &seat, stop, replayed).await;
                });
            }
            (Ok(_), slot) => self.begin_anew(stream, slot, replayed),
            (Err(error), slot) => self.begin_anew(stream, slot, Some(error.to_string())),
        }
    }

    /// Begins with a connection of the last run. `replayed` says why more of it may be stored than this run knows of.
    fn begin_anew(&mut self, stream: UnixStream, slot: Option<Slot>, replayed: Option<String>) {
        let (shared, stop) = (self.shared.clone(), self.stopping.clone());
        let seat = shared.quotas.seat(uid(&stream));
        self.spawn(async move {
            let peer = Peer::of_earlier(&stream).await;
            begin(stream, peer, slot, &shared, &seat, stop, replayed).await;
        });
    }

    fn spawn(&mut self, serving: impl Future<Output = ()> + Send + 'static) {
        self.shared.context.metrics.connections.add(1);
        self.connections.spawn(serving);
        self.most_open = self.most_open.max(self.connections.len());
    }

    /// A connection is over. Once few are left of many, the memory that these took goes back to the kernel.
    fn ended(&mut self) {
        self.shared.context.metrics.connections.sub(1);
        let open = self.connections.len();
        if self.most_open >= MANY && open <= self.most_open / 4 {
            self.most_open = open;
            block_in_place(kernel::give_back);
        }
    }

    /// Whether new clients have to wait in the kernel's queue. If so the log is told.
    fn is_full(&mut self) -> bool {
        let (open, most) = (self.connections.len(), self.most());
        if open >= descriptors::room() {
            self.shortage.begins(format_args!(
                "{open} are open, and the other descriptors are kept for the log's own files; raise LimitNOFILE= or find out who has so many"
            ));
        } else if open >= most {
            self.shortage.begins(format_args!(
                "{open} are open, {} times as many as `max_connections` serves at once; raise it or find out who has so many",
                Ingest::TIMES_SERVED
            ));
        }
        open >= most
    }

    /// Most failures are about the one connection and it is gone. Where something ran short, the
    /// connection stays in the queue: without a pause this would spin.
    async fn accept_failed(&mut self, error: io::Error) {
        if !descriptors::ran_short(&error) {
            return tracing::debug!(%error, "a connection was not accepted");
        }
        self.shortage
            .begins(format_args!("{error}; raise LimitNOFILE= or lower `max_connections`"));
        tokio::time::sleep(BACK_OFF).await;
    }
}
