//! Consuming what is durable, and going on after a restart or a kill.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::OobInline;
use nix::sys::socket::{MsgFlags, getsockopt, recv, setsockopt};
use rustix::io::ioctl_fionread;

use super::memory::Slot;
use super::notes::{Mark, Place};
use crate::kernel::PeekOffset;

/// Where a connection goes on.
#[derive(Debug)]
pub struct Resumed {
    /// At the next byte.
    pub place: Place,
    /// What is held of the line that it is in the middle of.
    pub held: Vec<u8>,
    /// Whether the client's greeting was answered, if it sent one.
    pub greeted: bool,
    /// What the client would have been acknowledged last; it may have missed it.
    pub mark: Mark,
    /// Replies that it has not read.
    pub replies: Vec<u8>,
}

impl Slot {
    /// The socket is read with MSG_PEEK from here on. Urgent bytes (MSG_OOB) become bytes like others, as which
    /// MSG_PEEK gives them in any case.
    pub fn start(&self, socket: &impl AsFd) -> io::Result<()> {
        setsockopt(socket, OobInline, &true)?;
        Ok(setsockopt(socket, PeekOffset, &0)?)
    }

    /// Consumes the bytes up to `place`, where the peek offset is `peeked`: a kill in the middle of it is made
    /// good by [`Self::resume`].
    pub fn consume(
        &self,
        socket: &impl AsFd,
        place: Place,
        pending: u32,
        peeked: u32,
    ) -> io::Result<()> {
        self.set_place(Place { pending, peeked, ..place })?;
        drain(socket, pending)?;
        self.set_place(Place { pending: 0, peeked: 0, ..place })
    }

    /// Begins anew at the first byte that the kernel holds, for a connection whose notes cannot be used.
    pub fn restart(&self, socket: &impl AsFd) -> io::Result<()> {
        self.forget(socket)?;
        self.start(socket)
    }

    /// Brings a connection of the last run to where its lines are durable.
    ///
    /// # Errors
    /// Its notes cannot be read, or are not true: nothing was consumed because of them.
    pub fn resume(&self, socket: &impl AsFd) -> io::Result<Resumed> {
        let mut place = self.place()?;
        if place.pending > 0 {
            let left = getsockopt(socket, PeekOffset)?.max(0) as u32;
            let done = place.peeked.saturating_sub(left).min(place.pending);
            let rest = place.pending - done;
            must_hold(socket, rest)?;
            drain(socket, rest)?;
            place = Place { pending: 0, peeked: 0, ..place };
            self.set_place(place)?;
        }
        let mark = self.mark()?;
        // A line that ends at the mark is done with, also one whose bytes were all taken out before.
        if mark.position > 0 && mark.position >= place.consumed {
            let pending =
                u32::try_from(mark.position - place.consumed).map_err(io::Error::other)?;
            must_hold(socket, pending)?;
            place = Place {
                consumed: mark.position,
                lines: mark.lines,
                acks: mark.acks,
                ..Place::default()
            };
            setsockopt(socket, PeekOffset, &(pending as i32))?;
            self.consume(socket, place, pending, pending)?;
        }
        self.start(socket)?;
        Ok(Resumed {
            place,
            held: self.partial(place.partial)?,
            greeted: self.greeted()?,
            mark,
            replies: self.take_replies()?,
        })
    }
}

/// What is about to be consumed must be there, or the note that says so is wrong.
fn must_hold(socket: &impl AsFd, bytes: u32) -> io::Result<()> {
    let held = ioctl_fionread(socket)?;
    if held >= u64::from(bytes) {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{bytes} bytes of a connection are said to be stored, and the kernel holds {held}"
    )))
}

/// Reads so many bytes that were read before with MSG_PEEK.
fn drain(socket: &impl AsFd, bytes: u32) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    let mut left = bytes as usize;
    while left > 0 {
        let part = left.min(buffer.len());
        match recv(socket.as_fd().as_raw_fd(), &mut buffer[..part], MsgFlags::MSG_DONTWAIT) {
            Ok(0) => break,
            Ok(n) => left -= n,
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::{Ack, Memory, Partial};
    use nix::sys::socket::send;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    struct Kept {
        slot: Slot,
        theirs: UnixStream,
        ours: UnixStream,
    }

    /// A connection that was peeked to the end of these bytes.
    fn peeked(bytes: &[u8]) -> Kept {
        let (mut theirs, ours) = UnixStream::pair().expect("pair");
        let memory = Memory::create().expect("memory");
        let slot = memory.admit(1, &ours).expect("written").expect("room");
        slot.start(&ours).expect("peek offset");
        theirs.write_all(bytes).expect("room");
        let mut buffer = vec![0; bytes.len()];
        let n = recv(ours.as_raw_fd(), &mut buffer, MsgFlags::MSG_PEEK).expect("bytes");
        assert_eq!(n, bytes.len());
        Kept { slot, theirs, ours }
    }

    impl Kept {
        fn rest(self) -> String {
            drop(self.theirs);
            let mut rest = String::new();
            (&self.ours).read_to_string(&mut rest).expect("the rest");
            rest
        }
    }

    fn mark(position: u64, lines: u64) -> Mark {
        Mark {
            position,
            lines,
            acks: false,
            ack: Some(Ack { line: lines, seq: 1, mac: [b'0'; 64] }),
        }
    }

    #[test]
    fn what_is_durable_but_not_consumed_is_not_read_again() {
        let kept = peeked(b"a\nb\nc\n");
        kept.slot.set_mark(mark(4, 2)).expect("written");
        let resumed = kept.slot.resume(&kept.ours).expect("resumed");
        assert_eq!((resumed.place.consumed, resumed.place.lines), (4, 2));
        assert_eq!(kept.rest(), "c\n");
    }

    #[test]
    fn consuming_that_a_kill_interrupted_is_completed_once() {
        for done in [0, 1, 3, 4] {
            let kept = peeked(b"a\nb\nc\n");
            kept.slot.set_mark(mark(4, 2)).expect("written");
            let place = Place { consumed: 4, lines: 2, pending: 4, peeked: 6, ..Place::default() };
            kept.slot.set_place(place).expect("written");
            drain(&kept.ours, done).expect("bytes");
            for _again in 0..2 {
                let resumed = kept.slot.resume(&kept.ours).expect("resumed");
                assert_eq!((resumed.place.consumed, resumed.place.lines), (4, 2), "{done}");
            }
            assert_eq!(kept.rest(), "c\n", "{done}");
        }
    }

    #[test]
    fn urgent_bytes_are_read_and_consumed_in_their_place() {
        let (theirs, ours) = UnixStream::pair().expect("pair");
        let memory = Memory::create().expect("memory");
        let slot = memory.admit(1, &ours).expect("written").expect("room");
        slot.start(&ours).expect("peek offset");
        for (bytes, flags) in [(&b"a"[..], MsgFlags::empty()), (b"\n", MsgFlags::MSG_OOB)] {
            send(theirs.as_raw_fd(), bytes, flags).expect("room");
        }
        let kept = Kept { slot, theirs, ours };
        let mut buffer = [0; 8];
        for expected in [1, 1] {
            let peeked = recv(kept.ours.as_raw_fd(), &mut buffer, MsgFlags::MSG_PEEK);
            assert_eq!(peeked, Ok(expected));
        }
        let place = Place { consumed: 2, lines: 1, ..Place::default() };
        kept.slot.consume(&kept.ours, place, 2, 2).expect("consumed");
        assert_eq!(kept.rest(), "");
    }

    #[test]
    fn half_a_line_that_was_taken_is_held_until_the_line_is_durable() {
        let kept = peeked(b"a\nhal");
        kept.slot.write_partial(0, 0, b"hal").expect("written");
        let partial = Partial { area: 0, over: false, held: 3, len: 3 };
        let place = Place { consumed: 5, lines: 1, partial, ..Place::default() };
        kept.slot.consume(&kept.ours, place, 5, 5).expect("consumed");
        kept.slot.set_mark(mark(2, 1)).expect("written");
        let resumed = kept.slot.resume(&kept.ours).expect("resumed");
        assert_eq!((resumed.place, resumed.held), (place, b"hal".to_vec()));

        // The client closed: what was taken was its last line.
        kept.slot.set_mark(mark(5, 2)).expect("written");
        let resumed = kept.slot.resume(&kept.ours).expect("resumed");
        assert_eq!((resumed.place.partial.len, resumed.place.lines), (0, 2));
        assert_eq!(kept.rest(), "");
    }
}
