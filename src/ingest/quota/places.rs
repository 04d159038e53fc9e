//! The connections that are served at once, over all users. Whoever finds no place waits, and each place that becomes
//! free is offered to one connection of each user that waits.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
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
    /// Users with connections that wait for a place, by uid, and how many.
    waiting: BTreeMap<u32, (Weak<User>, usize)>,
}

/// A connection that waits for a place, until this is dropped.
pub struct InLine<'p> {
    places: &'p Places,
    uid: u32,
}

impl Places {
    /// Takes a place for a connection of this user if there is one for it. `anyway`: it is served whether there is one
    /// or not.
    pub fn take(&self, user: &User, limits: &Limits, anyway: bool) -> bool {
        let (mut inner, mut state) = (self.lock(), user.lock());
        let taken = anyway || inner.has_room_for(&state, limits);
        if taken {
            inner.served += 1;
            state.served += 1;
            if inner.has_room_for(&state, limits) {
                user.place.notify_one();
            }
        }
        taken
    }

    /// A connection of this user waits from now on. Whoever calls this asks once more afterwards.
    pub fn line_up(&self, user: &Arc<User>) -> InLine<'_> {
        let (mut inner, uid) = (self.lock(), user.lock().uid);
        inner.waiting.entry(uid).or_insert_with(|| (Arc::downgrade(user), 0)).1 += 1;
        InLine { places: self, uid }
    }

    /// A connection of this user is over.
    pub fn give_back(&self, user: &User) {
        let (mut inner, mut state) = (self.lock(), user.lock());
        inner.served -= 1;
        state.served -= 1;
        drop(state);
        let waiting = inner.waiting.values().filter_map(|(user, _)| user.upgrade());
        waiting.for_each(|user| user.place.notify_one());
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

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let mut inner = self.places.lock();
        if let Entry::Occupied(mut user) = inner.waiting.entry(self.uid) {
            user.get_mut().1 -= 1;
            if user.get().1 == 0 {
                user.remove();
            }
        }
    }
}
