//! The notes about one connection, and their bytes. Numbers are little-endian; positions are bytes since the
//! client connected.

/// Which connection in which slot: slots are used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Different for each connection, never 0.
    pub session: u64,
    /// The socket's inode: what the store holds under the slot's name may be another one.
    pub inode: u64,
    /// Its peer's user.
    pub uid: u32,
}

/// Where the lines of a submission come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The connection's slot.
    pub slot: u32,
    /// The connection's session.
    pub session: u64,
    /// The position at which its first byte was read.
    pub start: u64,
    /// Event lines before it.
    pub lines: u64,
    /// The client has asked for acks.
    pub acks: bool,
}

/// Up to where a connection's lines are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The position behind the last of them; 0 if there is none.
    pub position: u64,
    /// Event lines up to there.
    pub lines: u64,
    /// The client has asked for acks before it.
    pub acks: bool,
    /// The last of them that was accepted, and its receipt: seq and mac.
    pub ack: Option<Ack>,
}

/// What an ack says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The line's number.
    pub line: u64,
    /// Its sequence number in the ledger.
    pub seq: u64,
    /// Its mac, 64 hex digits.
    pub mac: [u8; 64],
}

/// Up to where a connection's bytes are consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The position of the first byte that is still in the kernel.
    pub consumed: u64,
    /// Event lines up to there.
    pub lines: u64,
    /// The client has asked for acks before it.
    pub acks: bool,
    /// The line that position is in the middle of.
    pub partial: Partial,
    /// Bytes that are to be consumed to get there; 0 once that is done.
    pub pending: u32,
    /// The peek offset before that.
    pub peeked: u32,
}

/// A part of a line that was taken out of the kernel's buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Partial {
    /// Which area holds its bytes.
    pub area: u8,
    /// It is longer than the limit, so that only its head is held.
    pub over: bool,
    /// Bytes held.
    pub held: u32,
    /// Bytes in all; 0 if the position is not within a line.
    pub len: u64,
}

/// Writes numbers one after the other.
struct Put<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Put<N> {
    fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    fn put(mut self, bytes: &[u8]) -> Self {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
        self
    }

    fn u64(self, n: u64) -> Self {
        self.put(&n.to_le_bytes())
    }

    fn u32(self, n: u32) -> Self {
        self.put(&n.to_le_bytes())
    }
}

/// Reads them back.
pub struct Take<'a>(pub &'a [u8]);

impl Take<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let n = N.min(self.0.len());
        bytes[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        bytes
    }

    /// The next number; 0 behind the end.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    /// The next number; 0 behind the end.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }
}

impl Identity {
    /// Bytes of one.
    pub const LEN: usize = 20;

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        Put::new().u64(self.session).u64(self.inode).u32(self.uid).bytes
    }

    /// From its bytes.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let mut take = Take(bytes);
        Self { session: take.u64(), inode: take.u64(), uid: take.u32() }
    }
}

impl Mark {
    /// Bytes of one.
    pub const LEN: usize = 104;

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let put = Put::new().u64(self.position).u64(self.lines).u32(u32::from(self.acks));
        match self.ack {
            Some(ack) => put.u32(1).u64(ack.line).u64(ack.seq).put(&ack.mac).bytes,
            None => put.bytes,
        }
    }

    /// From its bytes.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let mut take = Take(bytes);
        let (position, lines) = (take.u64(), take.u64());
        let (acks, has_ack) = (take.u32() != 0, take.u32() != 0);
        let ack = Ack { line: take.u64(), seq: take.u64(), mac: take.take() };
        Self { position, lines, acks, ack: has_ack.then_some(ack) }
    }
}

impl Place {
    /// Bytes of one.
    pub const LEN: usize = 48;

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let Partial { area, over, held, len } = self.partial;
        let flags = u32::from(area & 1) | u32::from(over) << 1 | u32::from(self.acks) << 2;
        let put = Put::new().u64(self.consumed).u64(self.lines).u64(len);
        put.u32(held).u32(flags).u32(self.pending).u32(self.peeked).bytes
    }

    /// From its bytes.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let mut take = Take(bytes);
        let (consumed, lines, len) = (take.u64(), take.u64(), take.u64());
        let (held, flags, pending, peeked) = (take.u32(), take.u32(), take.u32(), take.u32());
        let partial = Partial { area: (flags & 1) as u8, over: flags & 2 != 0, held, len };
        Self { consumed, lines, acks: flags & 4 != 0, partial, pending, peeked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn notes_are_read_as_they_were_written(
            a: u64, b: u64, c: u64, d: u32, e: u32, area in 0u8..2, flag: bool, digit: u8,
        ) {
            let identity = Identity { session: a, inode: b, uid: d };
            prop_assert_eq!(Identity::from_bytes(&identity.to_bytes()), identity);
            let ack = flag.then_some(Ack { line: c, seq: a ^ b, mac: [digit; 64] });
            let mark = Mark { position: a, lines: b, acks: !flag, ack };
            prop_assert_eq!(Mark::from_bytes(&mark.to_bytes()), mark);
            let partial = Partial { area, over: flag, held: d, len: c };
            let place = Place { consumed: a, lines: b, acks: flag, partial, pending: e, peeked: d ^ e };
            prop_assert_eq!(Place::from_bytes(&place.to_bytes()), place);
        }
    }
}
