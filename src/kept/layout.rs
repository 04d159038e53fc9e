//! Where in the memory file a note stands. The file is sparse: what is not used takes no memory.

/// The first bytes of the file; another text is another layout.
pub const MAGIC: &[u8; 16] = b"auditlogd kept 1";

/// A page of memory: a write that stays within one is not cut in half by a signal.
pub const PAGE: u64 = 4096;

/// The connections that can be kept. Each has a name in the LISTEN_FDNAMES of the next start, and execve(2)
/// takes no variable above 128 KiB.
pub const SLOTS: u32 = 4096;

/// What a run leaves over beside its connections.
pub const LEFT_OVER: u64 = 64;

/// The intent's header.
pub const INTENT: u64 = PAGE;
/// The two places where an intent's body may stand: a new one must not overwrite the one in force.
pub const INTENT_BODIES: [u64; 2] = [1 << 20, 65 << 20];
/// The most bytes of an intent's body.
pub const INTENT_MAX: usize = 64 << 20;

/// A connection's page: its identity, its mark and its place, and its peer.
const PAGES: u64 = 129 << 20;
/// A connection's areas: two for the part of a line that was taken, one for replies.
const AREAS: u64 = 256 << 20;
/// Of each of the two.
pub const AREA: u64 = 64 << 10;
/// Of the one for replies.
pub const REPLIES: u64 = 192 << 10;

/// Within a page.
pub const IDENTITY: u64 = 0;
/// Within a page.
pub const GREETED: u64 = 64;
/// Within a page.
pub const OVER: u64 = 72;
/// Within a page.
pub const MARK: u64 = 128;
/// Within a page.
pub const PLACE: u64 = 384;
/// Within a page.
pub const PEER: u64 = 512;

/// Where a connection's page begins.
pub fn page(slot: u32) -> u64 {
    PAGES + u64::from(slot) * PAGE
}

/// Where one of its two areas begins.
pub fn area(slot: u32, which: u8) -> u64 {
    areas(slot) + u64::from(which & 1) * AREA
}

/// Where its replies begin.
pub fn replies(slot: u32) -> u64 {
    areas(slot) + 2 * AREA
}

/// Where its areas begin, all together [`AREAS_LEN`] bytes.
pub fn areas(slot: u32) -> u64 {
    AREAS + u64::from(slot) * AREAS_LEN
}

/// Of all of a connection's areas.
pub const AREAS_LEN: u64 = 2 * AREA + REPLIES;
