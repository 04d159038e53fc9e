//! The connections that are served at once, over all users. Whoever finds no place waits, and each place that becomes
//! free is offered to one connection of each user that waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{State, User};
use crate::ingest::Limits;

/// A user may have so many times as many places as are free: a single one three quarters of all, and no few
/// users the last ones.
const TIMES_FREE: usize = 3;

/// Who is served.
#[derive(Default)]
pub struct Places(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    served: usize,
    /// Users who found no place, by uid.
    waiting: BTreeMap<u32, Weak<User>>,
}

impl Places {
    /// Takes a place for a connection of this user if there is one for it, or else notes that it waits. `anyway`: it is
    /// served whether there is one or not.
    pub fn take(&self, user: &Arc<User>, limits: &Limits, anyway: bool) -> bool {
        let (mut inner, mut state) = (self.lock(), user.lock());
        let taken = anyway || inner.has_room_for(&state, limits);
        if taken {
            inner.served += 1;
            state.served += 1;
        } else {
            inner.waiting.insert(state.uid, Arc::downgrade(user));
        }
        taken
    }

    /// A connection of this user is over.
    pub fn give_back(&self, user: &User) {
        let waiting = {
            let (mut inner, mut state) = (self.lock(), user.lock());
            inner.served -= 1;
            state.served -= 1;
            std::mem::take(&mut inner.waiting)
        };
        waiting.values().filter_map(Weak::upgrade).for_each(|user| user.place.notify_one());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn has_room_for(&self, state: &State, limits: &Limits) -> bool {
        let free = limits.max_connections.max(1).saturating_sub(self.served);
        let most = match limits.quota.connections {
            0 => free.saturating_mul(TIMES_FREE),
            configured => configured,
        };
        free > 0 && state.served < most
    }
}
