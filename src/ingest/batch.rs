//! The lines of one socket read become one submission, and the replies that go with it.

use std::sync::Arc;

use super::Limits;
use super::check::{self, Checked};
use super::framing::{Line, Then};
use super::overflow::{Overflow, Verdict, Way};
use super::peer::Peer;
use super::rejects::{self, Rejects, Whose};
use super::replies;
use crate::engine::Item;
use crate::event::{Class, FieldMap, Reject, RejectCode};

/// Refused lines in one batch: bounds its replies and records, and how long it takes to make.
const MAX_REFUSED: u64 = 256;

/// What checking a line needs.
pub struct Desk<'a> {
    /// The limits in force.
    pub limits: &'a Limits,
    /// Allowances for records.
    pub rejects: &'a Arc<Rejects>,
    /// Whose lines they are.
    pub peer: &'a Peer,
    /// In whose account they are counted.
    pub account: u32,
    /// What becomes of events that there is no room for.
    pub overflow: &'a Overflow,
    /// All lines before these are durable, or will not be heard again if they are not.
    pub settled: bool,
}

/// [`check::check`] or [`check::check_unterminated`].
pub type Check = for<'a> fn(&Line<'a>, &FieldMap, usize) -> Result<Option<Checked<'a>>, Reject>;

/// Where a connection is in its lines.
#[derive(Debug, Default)]
pub struct Lines {
    /// Event lines so far, refused ones too; blank lines and the greeting are none.
    pub count: u64,
    /// Something that is not blank was seen.
    started: bool,
    /// The client asked for acks.
    pub acks: bool,
}

/// Lines that are no part of a submission, by what becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// They are refused, and left to a summary.
    pub summarised: u64,
    /// They are refused for want of room, and left to a gap record.
    pub missing: u64,
    /// They wait beside the log, and are counted when they come into it.
    pub spooled: u64,
}

/// What came out of some lines.
#[derive(Debug, Default)]
pub struct Batch {
    /// As in [`crate::engine::Submission`].
    pub text: Vec<u8>,
    /// As in [`crate::engine::Submission`].
    pub items: Vec<Item>,
    /// Replies to the refused lines.
    pub rejects: Vec<u8>,
    /// How many were refused.
    pub refused: u64,
    /// How many of all became no items.
    pub left: Left,
    /// There is no room for events of this class, and its only line is of that.
    pub waits: Option<Class>,
    /// The line after it must not be dealt with before all others are durable.
    pub unsettled: bool,
    /// The client greeted and wants replies.
    pub greeted: bool,
    /// The last accepted line: the commit's receipt speaks of it.
    pub last: Option<u64>,
    /// How much text is to be expected.
    expected: usize,
    /// The position of its first byte.
    pub start: u64,
    /// Event lines before it.
    pub before: u64,
    /// Bytes from the batch's start to behind the line that is being taken.
    at: usize,
}

impl Lines {
    /// Where a connection goes on that outlived a daemon, after `count` event lines.
    pub fn resume(count: u64, acks: bool) -> Self {
        Self { count, started: count > 0 || acks, acks }
    }

    /// Takes the next line, which ends `end` bytes behind the batch's start, unless it has to go into a batch of its own.
    ///
    /// What goes beside the log is done at once, and what goes into the log may be heard again by the next run, if it is
    /// not durable by then. So the two are never in one batch, and the first never overtakes the second.
    pub fn take(
        &mut self,
        line: &Line<'_>,
        end: usize,
        check: Check,
        desk: &Desk<'_>,
        batch: &mut Batch,
    ) -> Then {
        if !self.started && !check::is_blank(line) {
            self.started = true;
            if let Some(acks) = check::greeting(line) {
                (self.acks, batch.greeted) = (acks, acks);
                batch.at = end;
                return Then::Next;
            }
        }
        match check(line, &desk.limits.fields, desk.limits.max_line()) {
            Ok(None) => batch.at = end,
            Ok(Some(checked)) => return self.accept(&checked, end, desk, batch),
            Err(_) if batch.left.is_beside() => return Then::Again,
            Err(reject) => {
                (self.count, batch.at) = (self.count + 1, end);
                self.refuse(line, &reject, desk, batch);
            }
        }
        batch.then()
    }

    fn accept(
        &mut self,
        checked: &Checked<'_>,
        end: usize,
        desk: &Desk<'_>,
        batch: &mut Batch,
    ) -> Then {
        let Desk { peer, limits, overflow, .. } = desk;
        let way = overflow.way(checked.class, self.acks, limits);
        batch.unsettled = way == Way::Beside && !desk.settled;
        let alone = match way {
            Way::Log => !batch.left.is_beside(),
            Way::LogLater => batch.is_empty(),
            Way::Beside => batch.has_no_items() && desk.settled,
        };
        if !alone {
            return Then::Again;
        }
        let verdict = match way {
            Way::Log => None,
            _ => Some(overflow.judge(checked, peer, self.acks, limits)),
        };
        if matches!(verdict, Some(Verdict::Wait(_))) && batch.left.is_beside() {
            return Then::Again;
        }
        (self.count, batch.at) = (self.count + 1, end);
        match verdict {
            None => batch.accept(checked, self.count),
            Some(Verdict::Wait(class)) => {
                batch.waits = Some(class);
                batch.accept(checked, self.count);
                return Then::Stop;
            }
            Some(Verdict::Refuse) => {
                batch.refused += 1;
                batch.left.missing += 1;
                if self.acks {
                    replies::push_reject(&mut batch.rejects, self.count, &disk_full());
                }
            }
            Some(Verdict::Taken) => batch.left.spooled += 1,
        }
        batch.then()
    }

    fn refuse(&self, line: &Line<'_>, reject: &Reject, desk: &Desk<'_>, batch: &mut Batch) {
        batch.refused += 1;
        if self.acks {
            replies::push_reject(&mut batch.rejects, self.count, reject);
        }
        let whose = Whose { uid: desk.peer.uid, account: desk.account };
        if desk.rejects.allow(whose, line.len(), desk.limits) {
            batch.push_event(0, &rejects::record(line, self.count, reject), false, self.count);
        } else {
            batch.left.summarised += 1;
        }
    }
}

impl Left {
    /// Whether something of it went beside the log for want of room.
    pub fn is_beside(self) -> bool {
        self.missing + self.spooled > 0
    }
}

impl Batch {
    fn has_no_items(&self) -> bool {
        self.items.is_empty() && self.left.summarised == 0
    }

    fn is_empty(&self) -> bool {
        self.has_no_items() && !self.left.is_beside()
    }

    fn then(&self) -> Then {
        if self.refused < MAX_REFUSED { Then::Next } else { Then::Stop }
    }

    /// A batch for so many bytes of lines from a position on, with so many event lines before it.
    pub fn of(start: u64, bytes: usize, before: u64) -> Self {
        Self { expected: bytes, start, before, ..Self::default() }
    }

    fn accept(&mut self, checked: &Checked<'_>, line: u64) {
        self.last = Some(line);
        let start = self.text.len();
        if let Some(id) = &checked.id {
            crate::json::push_string(&mut self.text, id);
        }
        let id_len = self.text.len() - start;
        self.push_event(id_len, &checked.event, true, line);
    }

    fn push_event(&mut self, id_len: usize, event: &str, accepted: bool, line: u64) {
        if self.items.is_empty() {
            // Ids stand once more before their events; most are short.
            self.text.reserve(self.expected + self.expected / 8);
        }
        self.text.extend_from_slice(event.as_bytes());
        let (end, line) = (self.at as u32, (line - self.before) as u32);
        self.items.push(Item { end, line, ..Item::of(id_len, event.len(), accepted) });
    }
}

fn disk_full() -> Reject {
    let message = "the disk has no room for events of this priority; send it again later";
    Reject { code: RejectCode::DiskFull, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::engine::test_pair;

    /// Takes lines until the batch is full; returns how many were taken.
    fn take(lines: &mut Lines, batch: &mut Batch, texts: &[&str]) -> usize {
        let limits = Limits {
            max_event_bytes: 1000,
            fields: FieldMap::builtin().into(),
            reject_rate: 1,
            reject_burst: 1000,
            max_connections: 1,
            quota: config::Quota::NONE,
            space: Default::default(),
        };
        let submitter = test_pair(1000).0;
        let (rejects, peer) = (Rejects::new(&submitter, None), Peer::of_uid(1));
        let room = Default::default();
        let overflow =
            &Overflow::new(room, submitter, "/no/such/spool".as_ref(), Arc::default(), None);
        let (limits, rejects, peer, settled) = (&limits, &rejects, &peer, true);
        let desk = Desk { limits, rejects, peer, account: 1, overflow, settled };
        let mut take = |text: &&str| lines.take(&Line::Text(text), 0, check::check, &desk, batch);
        let full = |text: &&str| take(text) != Then::Next;
        texts.iter().position(full).map_or(texts.len(), |at| at + 1)
    }

    #[test]
    fn refused_lines_make_a_batch_full_and_accepted_ones_do_not() {
        let (mut lines, mut batch) = (Lines::default(), Batch::default());
        assert_eq!(take(&mut lines, &mut batch, &["{}"; 2000]), 2000);
        assert_eq!(take(&mut lines, &mut batch, &["x"; 2000]), 256);
        assert_eq!((lines.count, batch.items.len(), batch.last), (2256, 2256, Some(2000)));
    }

    #[test]
    fn only_the_first_line_that_is_not_blank_can_be_a_greeting() {
        let greeting = r#"{"auditlog":{"ack":true}}"#;
        let (mut lines, mut batch) = (Lines::default(), Batch::default());
        take(&mut lines, &mut batch, &["", "\r", greeting, greeting]);
        assert_eq!((batch.greeted, lines.count), (true, 1));
        let (mut lines, mut batch) = (Lines::default(), Batch::default());
        take(&mut lines, &mut batch, &["{}", greeting]);
        assert_eq!((batch.greeted, lines.count), (false, 2));
    }
}
