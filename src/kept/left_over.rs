//! What the notes about connections do not say of a run: connections that it did not keep, and refused lines of
//! which it had yet to write how many they are.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use super::layout::{self, LEFT_OVER, SLOTS};
use super::memory::{Memory, Slot};
use super::notes::Take;

/// The log has what the runs before left over. A start that was killed before that says nothing about them.
const BEGUN: u64 = 1;

/// Of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOver {
    /// Connections that ended with the process though they were not over.
    pub not_kept: u64,
    /// Lines that were refused and are in no record yet.
    pub refused_lines: u64,
    /// Their bytes.
    pub refused_bytes: u64,
}

/// The two: of the run before, and of this one.
#[derive(Debug, Default)]
pub(super) struct LeftOvers {
    before: Option<LeftOver>,
    now: Mutex<LeftOver>,
}

/// A connection that is not kept; dropped when it is over.
pub struct NotKept(Arc<Memory>);

impl LeftOver {
    const LEN: usize = 32;

    fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let numbers = [BEGUN, self.not_kept, self.refused_lines, self.refused_bytes];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }
}

impl LeftOvers {
    /// What a memory says that the run before has used.
    pub fn read(memory: &Memory) -> io::Result<Self> {
        let mut bytes = [0; LeftOver::LEN];
        memory.read(&mut bytes, LEFT_OVER)?;
        let mut take = Take(&bytes);
        let begun = take.u64() == BEGUN;
        let (not_kept, refused_lines, refused_bytes) = (take.u64(), take.u64(), take.u64());
        let before = begun.then_some(LeftOver { not_kept, refused_lines, refused_bytes });
        Ok(Self { before, now: Mutex::default() })
    }
}

impl Memory {
    /// What the run before left; none if no run has used this memory beyond its start. To be called once the connections that
    /// go on have their slots again: the service manager has lost those that have a slot and are not among them.
    pub fn left_over(&self) -> io::Result<Option<LeftOver>> {
        let Some(before) = self.left_overs.before else { return Ok(None) };
        let lost = self.lost()?.len() as u64;
        Ok(Some(LeftOver { not_kept: before.not_kept + lost, ..before }))
    }

    /// The log has it: from here on the memory says it of this run.
    pub fn forget_left_over(&self) -> io::Result<()> {
        self.change(|_| {});
        self.lost()?.into_iter().try_for_each(|slot| self.clear(layout::page(slot), layout::PAGE))
    }

    /// Slots of connections that were not over and are not there.
    fn lost(&self) -> io::Result<Vec<u32>> {
        let mut lost = Vec::new();
        let used = self.used().clone();
        for slot in (0..SLOTS).filter(|slot| !used[*slot as usize]) {
            let over: [u8; 1] = self.note(slot, layout::OVER)?;
            if self.identity(slot)?.session != 0 && over == [0] {
                lost.push(slot);
            }
        }
        Ok(lost)
    }

    /// Changes what a kill leaves over from here on.
    pub fn change(&self, change: impl FnOnce(&mut LeftOver)) {
        let mut now = self.left_overs.now.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut now);
        if let Err(error) = self.file.write_all_at(&now.to_bytes(), LEFT_OVER) {
            tracing::warn!(%error, "what a kill would leave over could not be noted");
        }
    }

    /// A connection begins that ends with this process.
    pub fn not_kept(self: &Arc<Self>) -> NotKept {
        self.change(|now| now.not_kept += 1);
        NotKept(self.clone())
    }
}

impl Slot {
    /// The connection is over: that the service manager lets go of it loses nothing.
    pub fn set_over(&self) -> io::Result<()> {
        let at = layout::page(self.number) + layout::OVER;
        self.memory.file.write_all_at(&[1], at)
    }
}

impl Drop for NotKept {
    fn drop(&mut self) {
        self.0.change(|now| now.not_kept -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_run(memory: &Memory) -> Arc<Memory> {
        Memory::open(memory.as_fd().try_clone_to_owned().expect("fd")).expect("a memory")
    }

    #[test]
    fn the_next_run_is_told_what_a_kill_left_over_until_the_log_has_it() {
        let memory = Memory::create().expect("memory");
        assert_eq!(next_run(&memory).left_over().expect("read"), None, "it had not begun");
        assert_eq!(memory.left_over().expect("read"), None);
        let first = memory.not_kept();
        let _second = memory.not_kept();
        drop(first);
        memory.change(|now| (now.refused_lines, now.refused_bytes) = (3, 30));
        let wanted = LeftOver { not_kept: 1, refused_lines: 3, refused_bytes: 30 };
        for _killed_before_it_is_written in 0..2 {
            assert_eq!(next_run(&memory).left_over().expect("read"), Some(wanted));
        }
        next_run(&memory).forget_left_over().expect("written");
        let found = next_run(&memory).left_over().expect("read");
        assert_eq!(found, Some(LeftOver::default()));
    }

    #[test]
    fn a_connection_that_the_manager_has_lost_is_left_over_once_and_one_that_is_over_is_not() {
        let sockets = [0; 3].map(|_| std::os::unix::net::UnixStream::pair().expect("pair"));
        let memory = Memory::create().expect("memory");
        memory.forget_left_over().expect("written");
        let slots: Vec<_> = sockets
            .iter()
            .map(|(ours, _)| memory.admit(9, ours).expect("ok").expect("room"))
            .collect();
        slots[0].set_over().expect("written");
        let lost = |memory: &Memory| memory.left_over().expect("read").expect("known").not_kept;
        let next = next_run(&memory);
        let _goes_on = next.claim(1, &sockets[1].0).expect("read");
        assert_eq!(lost(&next), 1);
        next.forget_left_over().expect("written");
        assert_eq!(
            (lost(&next), lost(&next_run(&memory))),
            (0, 1),
            "only that which goes on is there"
        );
    }
}
