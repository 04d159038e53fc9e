//! The memory file (memfd_create(2)) and its slots.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::layout::{self, MAGIC, SLOTS};
use super::left_over::LeftOvers;
use super::notes::{Identity, Mark, Origin, Partial, Place};

/// A peer's JSON text is shorter ([`crate::kept::Slot::peer`]).
const PEER_MAX: usize = (layout::PAGE - layout::PEER) as usize - 2;

/// Why what was kept cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// It is of another version, or not ours.
    #[error("the memory of the last run has another layout")]
    Layout,
    /// It could not be read or written.
    #[error("the memory of connections: {0}")]
    Io(#[from] io::Error),
}

/// The memory file. Whoever holds a [`Slot`] writes to its part only.
#[derive(Debug)]
pub struct Memory {
    pub(super) file: File,
    used: Mutex<Vec<bool>>,
    pub(super) left_overs: LeftOvers,
}

impl Memory {
    /// An empty one.
    pub fn create() -> Result<Arc<Self>, KeptError> {
        let fd = memfd_create("auditlogd", MFdFlags::MFD_CLOEXEC).map_err(io::Error::from)?;
        let memory = Self::of(fd);
        memory.file.write_all_at(MAGIC, 0)?;
        Ok(Arc::new(memory))
    }

    /// The one of the run before.
    pub fn open(fd: OwnedFd) -> Result<Arc<Self>, KeptError> {
        let mut memory = Self::of(fd);
        let mut magic = [0; MAGIC.len()];
        match memory.file.read_exact_at(&mut magic, 0) {
            Ok(()) if magic == *MAGIC => {
                memory.left_overs = LeftOvers::read(&memory)?;
                Ok(Arc::new(memory))
            }
            Ok(()) => Err(KeptError::Layout),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(KeptError::Layout),
            Err(e) => Err(e.into()),
        }
    }

    fn of(fd: OwnedFd) -> Self {
        let used = Mutex::new(vec![false; SLOTS as usize]);
        Self { file: fd.into(), used, left_overs: LeftOvers::default() }
    }

    /// For the service manager's store.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// A slot for a new connection, one of the first `room`; none while they are all used.
    pub fn admit(
        self: &Arc<Self>,
        room: u32,
        socket: &impl AsFd,
    ) -> Result<Option<Slot>, KeptError> {
        let number = {
            let mut used = self.used();
            let free = used.iter().take(room as usize).position(|used| !used);
            let Some(free) = free else { return Ok(None) };
            used[free] = true;
            free as u32
        };
        let begun = self.begin(number, socket);
        Ok(Some(begun.inspect_err(|_| self.used()[number as usize] = false)?))
    }

    /// The slot with this number for a connection that the store holds under its name; whether anything is known of
    /// the connection. None if another one has it.
    pub fn claim(
        self: &Arc<Self>,
        number: u32,
        socket: &impl AsFd,
    ) -> Result<Option<(Slot, bool)>, KeptError> {
        if number >= SLOTS || std::mem::replace(&mut self.used()[number as usize], true) {
            return Ok(None);
        }
        let Identity { session, inode, .. } = self.identity(number)?;
        if session != 0 && inode == inode_of(socket)? {
            return Ok(Some((Slot::of(self, number, session), true)));
        }
        Ok(Some((self.begin(number, socket)?, false)))
    }

    fn begin(self: &Arc<Self>, number: u32, socket: &impl AsFd) -> Result<Slot, KeptError> {
        let session = getrandom::u64().map_err(io::Error::from)?.max(1);
        let slot = Slot::of(self, number, session);
        slot.forget(socket)?;
        Ok(slot)
    }

    pub(super) fn identity(&self, number: u32) -> io::Result<Identity> {
        self.note(number, layout::IDENTITY).map(|bytes| Identity::from_bytes(&bytes))
    }

    pub(super) fn mark(&self, number: u32) -> io::Result<Mark> {
        self.note(number, layout::MARK).map(|bytes| Mark::from_bytes(&bytes))
    }

    pub(super) fn write_mark(&self, number: u32, mark: Mark) -> io::Result<()> {
        self.file.write_all_at(&mark.to_bytes(), layout::page(number) + layout::MARK)
    }

    /// Bytes at a place of a page; zeros behind the end of the file, which nobody has written yet.
    pub(super) fn note<const N: usize>(&self, number: u32, at: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read(&mut bytes, layout::page(number) + at)?;
        Ok(bytes)
    }

    pub(super) fn read(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        match self.file.read_exact_at(bytes, at) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => bytes.fill(0),
            read => return read,
        }
        Ok(())
    }

    pub(super) fn used(&self) -> MutexGuard<'_, Vec<bool>> {
        self.used.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Gives the memory of a range back.
    pub(super) fn clear(&self, at: u64, len: u64) -> io::Result<()> {
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        Ok(fallocate(&self.file, flags, at as i64, len as i64)?)
    }
}

/// One connection's part of the memory. Dropping it leaves it as it is, for the next run, unless the connection
/// is over.
#[derive(Debug)]
pub struct Slot {
    pub(super) memory: Arc<Memory>,
    pub(super) number: u32,
    session: u64,
    over: AtomicBool,
}

impl Slot {
    fn of(memory: &Arc<Memory>, number: u32, session: u64) -> Self {
        Self { memory: memory.clone(), number, session, over: AtomicBool::new(false) }
    }

    /// Its name in the service manager's store.
    pub fn name(&self) -> String {
        format!("c{}", self.number)
    }

    /// The slot's number that a name in the store stands for.
    pub fn number_of(name: &str) -> Option<u32> {
        let number = name.strip_prefix('c')?.parse().ok()?;
        (name == format!("c{number}")).then_some(number)
    }

    /// Where a submission comes from whose first byte is at `start`, behind so many event lines.
    pub fn origin(&self, start: u64, lines: u64, acks: bool) -> Origin {
        Origin { slot: self.number, session: self.session, start, lines, acks }
    }

    /// What is known of the connection is nothing from here on.
    pub(super) fn forget(&self, socket: &impl AsFd) -> io::Result<()> {
        self.clear()?;
        self.set_identity(Identity { session: self.session, inode: inode_of(socket)?, uid: 0 })
    }

    fn set_identity(&self, identity: Identity) -> io::Result<()> {
        let at = layout::page(self.number) + layout::IDENTITY;
        self.memory.file.write_all_at(&identity.to_bytes(), at)
    }

    /// Says who the client is.
    pub fn set_peer(&self, peer: &str, uid: u32) -> io::Result<()> {
        let at = layout::page(self.number) + layout::PEER;
        let peer = &peer.as_bytes()[..peer.len().min(PEER_MAX)];
        self.memory.file.write_all_at(peer, at + 2)?;
        self.set_identity(Identity { uid, ..self.memory.identity(self.number)? })?;
        self.memory.file.write_all_at(&(peer.len() as u16).to_le_bytes(), at)
    }

    /// Its peer's JSON text and user; none if nobody has asked for them yet.
    pub fn peer(&self) -> io::Result<Option<(String, u32)>> {
        let at = layout::page(self.number) + layout::PEER;
        let mut len = [0; 2];
        self.memory.read(&mut len, at)?;
        let mut peer = vec![0; usize::from(u16::from_le_bytes(len)).min(PEER_MAX)];
        self.memory.read(&mut peer, at + 2)?;
        let peer = String::from_utf8(peer).map_err(io::Error::other)?;
        let uid = self.memory.identity(self.number)?.uid;
        Ok((!peer.is_empty()).then_some((peer, uid)))
    }

    /// The client's greeting was answered.
    pub fn set_greeted(&self) -> io::Result<()> {
        self.memory.file.write_all_at(&[1], layout::page(self.number) + layout::GREETED)
    }

    /// Whether it was.
    pub fn greeted(&self) -> io::Result<bool> {
        self.memory.note(self.number, layout::GREETED).map(|bytes| bytes == [1])
    }

    /// Up to where lines are durable.
    pub fn mark(&self) -> io::Result<Mark> {
        self.memory.mark(self.number)
    }

    /// Says up to where lines are durable. Called on the writer's thread.
    pub fn set_mark(&self, mark: Mark) -> io::Result<()> {
        self.memory.write_mark(self.number, mark)
    }

    /// Up to where bytes are consumed.
    pub fn place(&self) -> io::Result<Place> {
        self.memory.note(self.number, layout::PLACE).map(|bytes| Place::from_bytes(&bytes))
    }

    /// Says up to where bytes are consumed, or are about to be.
    pub fn set_place(&self, place: Place) -> io::Result<()> {
        let at = layout::page(self.number) + layout::PLACE;
        self.memory.file.write_all_at(&place.to_bytes(), at)
    }

    /// Puts bytes of a partial line into an area; they count once a place names them.
    pub fn write_partial(&self, area: u8, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let at = layout::area(self.number, area) + offset as u64;
        self.memory.file.write_all_at(bytes, at)
    }

    /// The bytes that are held of a partial line.
    pub fn partial(&self, partial: Partial) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; u64::from(partial.held).min(layout::AREA) as usize];
        self.memory.read(&mut bytes, layout::area(self.number, partial.area))?;
        Ok(bytes)
    }

    /// Gives the memory of an area back that no place names any more.
    pub fn clear_area(&self, area: u8) -> io::Result<()> {
        self.memory.clear(layout::area(self.number, area), layout::AREA)
    }

    /// Leaves replies that the client has not read for the next run.
    pub fn set_replies(&self, replies: &[u8]) -> io::Result<()> {
        let replies = &replies[..replies.len().min(layout::REPLIES as usize - 8)];
        let at = layout::replies(self.number);
        self.memory.file.write_all_at(replies, at + 8)?;
        self.memory.file.write_all_at(&(replies.len() as u64).to_le_bytes(), at)
    }

    /// Takes what the last run left of replies; they are gone then.
    pub fn take_replies(&self) -> io::Result<Vec<u8>> {
        let at = layout::replies(self.number);
        let mut len = [0; 8];
        self.memory.read(&mut len, at)?;
        let mut replies = vec![0; u64::from_le_bytes(len).min(layout::REPLIES - 8) as usize];
        if !replies.is_empty() {
            self.memory.read(&mut replies, at + 8)?;
            self.memory.clear(at, layout::REPLIES)?;
        }
        Ok(replies)
    }

    /// The connection is over, and no longer in the service manager's store: the slot is free again when it is
    /// dropped. Until then a commit of its last lines may note something in it.
    pub fn release(&self) {
        self.over.store(true, Relaxed);
    }

    fn clear(&self) -> io::Result<()> {
        self.memory.clear(layout::page(self.number), layout::PAGE)?;
        self.memory.clear(layout::areas(self.number), layout::AREAS_LEN)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !*self.over.get_mut() {
            return;
        }
        if let Err(error) = self.clear() {
            // It stays used: a page that was not cleared would speak for the next connection.
            return tracing::warn!(%error, "a slot of the connections' memory could not be cleared");
        }
        self.memory.used()[self.number as usize] = false;
    }
}

fn inode_of(socket: &impl AsFd) -> io::Result<u64> {
    Ok(nix::sys::stat::fstat(socket)?.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn sockets() -> (UnixStream, UnixStream) {
        UnixStream::pair().expect("pair")
    }

    #[test]
    fn what_a_slot_was_told_is_there_for_the_next_run() {
        let (memory, (socket, other)) = (Memory::create().expect("memory"), sockets());
        let slot = memory.admit(1, &socket).expect("written").expect("room");
        slot.set_peer("{\"pid\":1}", 7).expect("written");
        let partial = Partial { area: 1, over: false, held: 4, len: 4 };
        let place = Place { consumed: 9, lines: 1, partial, ..Place::default() };
        slot.write_partial(1, 0, b"half").expect("written");
        slot.set_place(place).expect("written");
        slot.set_replies(b"reply").expect("written");
        let (name, fd) = (slot.name(), memory.as_fd().try_clone_to_owned().expect("fd"));
        drop((slot, memory));

        let memory = Memory::open(fd).expect("the same layout");
        let number = Slot::number_of(&name).expect("a slot's name");
        let (slot, known) = memory.claim(number, &socket).expect("read").expect("free");
        assert!(known && memory.claim(number, &other).expect("read").is_none(), "taken");
        assert_eq!(slot.peer().expect("read"), Some(("{\"pid\":1}".into(), 7)));
        assert_eq!(slot.place().expect("read"), place);
        assert_eq!(slot.partial(partial).expect("read"), b"half");
        assert_eq!(slot.take_replies().expect("read"), b"reply");
        assert_eq!(slot.take_replies().expect("read"), b"");
    }

    #[test]
    fn a_slot_knows_nothing_of_the_connection_before() {
        let (memory, (socket, other)) = (Memory::create().expect("memory"), sockets());
        let told = |slot: &Slot| {
            slot.set_peer("{}", 7).expect("written");
            slot.set_place(Place { consumed: 9, ..Place::default() }).expect("written");
        };
        let slot = memory.admit(1, &socket).expect("written").expect("room");
        assert!(memory.admit(1, &other).expect("read").is_none(), "no more room");
        told(&slot);
        let number = slot.number;
        slot.release();
        drop(slot);
        let next = memory.admit(1, &other).expect("written").expect("room");
        assert_eq!((next.number, next.place().expect("read")), (number, Place::default()));
        assert_eq!(next.peer().expect("read"), None);

        told(&next);
        let fd = memory.as_fd().try_clone_to_owned().expect("fd");
        let memory = Memory::open(fd).expect("the same layout");
        let (stale, known) = memory.claim(next.number, &socket).expect("read").expect("free");
        assert!(!known, "another socket under its name");
        assert_eq!(
            (stale.peer().expect("read"), stale.place().expect("read")),
            (None, Place::default())
        );
    }

    #[test]
    fn a_slot_that_could_not_be_written_is_free() {
        let file = File::open("/dev/null").expect("opens");
        let (memory, (socket, _other)) = (Arc::new(Memory::of(file.into())), sockets());
        for _again in 0..2 {
            assert!(memory.admit(1, &socket).is_err());
        }
    }

    #[test]
    fn another_layout_is_refused() {
        let fd = memfd_create("test", MFdFlags::MFD_CLOEXEC).expect("memory");
        let other = File::from(fd.try_clone().expect("fd"));
        assert!(matches!(Memory::open(fd), Err(KeptError::Layout)));
        other.write_all_at(b"auditlogd kept 9", 0).expect("written");
        assert!(matches!(Memory::open(other.into()), Err(KeptError::Layout)));
    }
}
