//! From the writer to the index: fresh lines while there is room for them, and always how far the ledger
//! is. The writer never waits here; lines that find no room are read from the segments later.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::event::FieldMap;
use crate::ledger::reader::Lines;

pub(super) struct Feed {
    state: Mutex<State>,
    wake: Condvar,
    capacity: usize,
}

#[derive(Default)]
struct State {
    /// Fresh lines in order, each batch with its first leaf; there may be gaps between them.
    fresh: VecDeque<(u64, Lines)>,
    bytes: usize,
    /// Leaves that are durable.
    head: u64,
    reset: bool,
    segments_changed: bool,
    fields: Option<Arc<FieldMap>>,
    close_by: Option<Instant>,
    error: Option<String>,
}

/// What the index has to do next.
pub(super) enum Work {
    /// Insert these lines, which begin at its next leaf.
    Fresh(Lines),
    /// Read leaves up to this one from the segments.
    Read(u64),
    /// The list of segments changed.
    Segments,
    /// Use another vocabulary.
    Fields(Arc<FieldMap>),
    /// Start over.
    Reset,
    /// Everything is done, or the time for it is over.
    Close,
}

impl Feed {
    /// A feed for a ledger of which `head` leaves are durable already.
    pub fn new(capacity: usize, head: u64) -> Self {
        let state = State { head, segments_changed: true, ..State::default() };
        Self { state: Mutex::new(state), wake: Condvar::new(), capacity }
    }

    /// Says that the leaves before `lines.next` are durable, and offers them; `first` is the first one.
    pub fn publish(&self, first: u64, lines: Lines) {
        let mut state = self.lock();
        state.head = lines.next;
        let bytes = lines.bytes.len();
        if state.bytes + bytes <= self.capacity {
            state.bytes += bytes;
            state.fresh.push_back((first, lines));
        }
        drop(state);
        self.wake.notify_one();
    }

    pub fn segments_changed(&self) {
        self.change(|state| state.segments_changed = true);
    }

    pub fn set_fields(&self, fields: Arc<FieldMap>) {
        self.change(|state| state.fields = Some(fields));
    }

    pub fn request_reset(&self) {
        self.change(|state| {
            state.reset = true;
            state.error = None;
        });
    }

    /// Whether a reset was asked for since the last look.
    pub fn take_reset(&self) -> bool {
        std::mem::take(&mut self.lock().reset)
    }

    /// Lets the index finish what is durable, for at most `deadline`.
    pub fn close(&self, deadline: Duration) {
        self.change(|state| state.close_by = Some(Instant::now() + deadline));
    }

    pub fn error(&self) -> Option<String> {
        self.lock().error.clone()
    }

    /// Remembers what is wrong; says whether it is news.
    pub fn set_error(&self, error: Option<String>) -> bool {
        let mut state = self.lock();
        let news = state.error != error;
        state.error = error;
        news
    }

    /// Waits for work for an index whose next leaf is `next`.
    pub fn wait(&self, next: u64) -> Work {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.take(next) {
                return work;
            }
            state = self.wake.wait(state).unwrap_or_else(|e| e.into_inner());
        }
    }

    /// More lines that follow at once, if there are any and nothing else is to be done first.
    pub fn more(&self, next: u64) -> Option<Lines> {
        let mut state = self.lock();
        let first = state.reset || state.fields.is_some() || state.segments_changed;
        if first || state.past_deadline() {
            return None;
        }
        state.take_fresh(next)
    }

    /// Waits before another try, but not past a reset or the end. Says whether to go on.
    pub fn pause(&self, time: Duration) -> bool {
        let state = self.lock();
        let idle = |state: &mut State| !state.reset && state.close_by.is_none();
        let (mut state, _) =
            self.wake.wait_timeout_while(state, time, idle).unwrap_or_else(|e| e.into_inner());
        if state.close_by.is_some() && !state.past_deadline() {
            // Being closed: still tried again, but not in a busy loop.
            let wait = time.min(Duration::from_millis(50));
            state = match self.wake.wait_timeout(state, wait) {
                Ok((state, _)) => state,
                Err(e) => e.into_inner().0,
            };
        }
        !state.past_deadline()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl State {
    fn take(&mut self, next: u64) -> Option<Work> {
        if self.past_deadline() {
            return Some(Work::Close);
        }
        if std::mem::take(&mut self.reset) {
            return Some(Work::Reset);
        }
        if let Some(fields) = self.fields.take() {
            return Some(Work::Fields(fields));
        }
        if std::mem::take(&mut self.segments_changed) {
            return Some(Work::Segments);
        }
        if let Some(lines) = self.take_fresh(next) {
            return Some(Work::Fresh(lines));
        }
        if next < self.head {
            return Some(Work::Read(self.fresh.front().map_or(self.head, |(first, _)| *first)));
        }
        self.close_by.map(|_| Work::Close)
    }

    /// The fresh lines that begin at `next`; older ones were read from the segments meanwhile.
    fn take_fresh(&mut self, next: u64) -> Option<Lines> {
        while let Some((first, lines)) = self.fresh.front() {
            if *first > next {
                return None;
            }
            let wanted = *first == next;
            self.bytes -= lines.bytes.len();
            let taken = self.fresh.pop_front();
            if wanted {
                return taken.map(|(_, lines)| lines);
            }
        }
        None
    }

    fn past_deadline(&self) -> bool {
        self.close_by.is_some_and(|by| Instant::now() >= by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(first: u64, next: u64, bytes: usize) -> (u64, Lines) {
        (first, Lines { bytes: vec![0; bytes], next })
    }

    fn publish(feed: &Feed, (first, lines): (u64, Lines)) {
        feed.publish(first, lines);
    }

    fn describe(work: Work) -> String {
        match work {
            Work::Fresh(lines) => format!("fresh to {}", lines.next),
            Work::Read(to) => format!("read to {to}"),
            Work::Segments => "segments".into(),
            Work::Fields(_) => "fields".into(),
            Work::Reset => "reset".into(),
            Work::Close => "close".into(),
        }
    }

    #[test]
    fn lines_without_room_are_read_from_the_segments_and_the_next_ones_are_fresh_again() {
        let feed = Feed::new(100, 0);
        assert_eq!(describe(feed.wait(0)), "segments");
        publish(&feed, lines(0, 5, 80));
        publish(&feed, lines(5, 9, 80));
        assert_eq!(describe(feed.wait(0)), "fresh to 5");
        publish(&feed, lines(9, 12, 80));
        assert_eq!(describe(feed.wait(5)), "read to 9");
        assert_eq!(describe(feed.wait(9)), "fresh to 12");
        feed.close(Duration::from_secs(60));
        assert_eq!(describe(feed.wait(12)), "close");
    }

    #[test]
    fn closing_lets_the_index_finish_first_and_a_deadline_ends_it() {
        let feed = Feed::new(100, 0);
        feed.wait(0);
        publish(&feed, lines(0, 5, 10));
        feed.close(Duration::from_secs(60));
        assert_eq!(describe(feed.wait(0)), "fresh to 5");
        publish(&feed, lines(5, 6, 10));
        feed.close(Duration::ZERO);
        assert_eq!(describe(feed.wait(5)), "close");
    }
}
