//! How many connections a user may have.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::report::Period;
use super::{Limit, Quotas, Slowed, User};
use crate::ingest::{Limits, Stop};

/// An open connection of a user, until this is dropped.
pub struct Seat(Arc<User>);

/// How much of the descriptors a user may have for connections that wait: so many times as many as are free.
const TIMES_FREE: usize = 3;

/// A connection that is served, until this is dropped.
pub struct Served(Arc<User>);

impl Quotas {
    /// Lets a connection of this user in, to be served or to wait, while so many more could be open; none if the user
    /// has its share of them.
    pub fn admit(&self, uid: u32, free: usize) -> Option<Seat> {
        let most = self.limits.borrow().quota.connections.max(free.saturating_mul(TIMES_FREE));
        let open = self.user(uid).lock().open;
        (open < most).then(|| self.seat(uid))
    }

    /// Lets it in whatever the user has.
    pub fn seat(&self, uid: u32) -> Seat {
        let user = self.user(uid);
        user.lock().open += 1;
        user.account.connections.add(1);
        Seat(user)
    }

    /// A connection was not let in, with so many lines and bytes that had been sent on it.
    pub fn turned_away(&self, uid: u32, lines: u64, bytes: u64) {
        let (user, now) = (self.user(uid), Instant::now());
        let mut state = user.lock();
        let period = state.period.get_or_insert_with(|| Period::new(now));
        period.limits.insert(Limit::Connections.name());
        period.turned_away += 1;
        period.lost = (period.lost.0 + lines, period.lost.1 + bytes);
        user.account.turned_away.add(1);
        user.account.lines.add(lines);
        user.account.slowed_at.set(super::report::now_seconds());
        drop(state);
        if let Some(store) = &self.store {
            store.unsaid(lines, bytes);
        }
        self.began.notify_one();
    }
}

impl Seat {
    pub(super) fn user(&self) -> &Arc<User> {
        &self.0
    }

    /// Serves it whether there is a place or not, as one that was served before this run.
    pub fn served_as_before(&self, limits: &Limits) -> Served {
        self.0.places.take(&self.0, limits, true);
        Served(self.0.clone())
    }

    /// Waits until it may be served: `max_connections` are at once, and of a user as many as `[quota] connections` says,
    /// or its share. Returns at once when the daemon stops.
    pub async fn served(
        &self,
        limits: &mut watch::Receiver<Arc<Limits>>,
        stop: &mut watch::Receiver<Stop>,
    ) -> Served {
        let user = &self.0;
        let mut waiting = None;
        loop {
            let place = user.place.notified();
            let stopping = *stop.borrow() != Stop::No;
            if user.places.take(user, &limits.borrow_and_update(), stopping) {
                return Served(user.clone());
            }
            if waiting.is_none() {
                let slowed = Slowed::begin(user, Limit::Connections);
                waiting = Some((slowed, user.places.line_up(user)));
                continue;
            }
            tokio::select! {
                () = place => {}
                Ok(()) = limits.changed() => {}
                Ok(_) = stop.wait_for(|stop| *stop != Stop::No) => {}
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.lock().open -= 1;
        self.0.account.connections.sub(1);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.0.places.give_back(&self.0);
    }
}
