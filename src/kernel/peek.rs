//! SO_PEEK_OFF (socket(7)): how far reads with MSG_PEEK have come in what a socket holds. Every plain read
//! lowers it by what it takes, and it belongs to the socket, not to the process: after a crash it still
//! tells how much of the bytes that were to be consumed is consumed.

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{GetSockOpt, SetSockOpt};

/// The option; bytes, or -1 where reads with MSG_PEEK begin at the front each time.
#[derive(Clone, Copy, Debug)]
pub struct PeekOffset;

const SIZE: libc::socklen_t = size_of::<libc::c_int>() as libc::socklen_t;

impl GetSockOpt for PeekOffset {
    type Val = i32;

    fn get<F: AsFd>(&self, fd: &F) -> nix::Result<i32> {
        let (mut value, mut len): (libc::c_int, _) = (-1, SIZE);
        // SAFETY: the descriptor is borrowed for the call; `value` and `len` are valid for writes, and the
        // kernel writes at most `len` bytes, the size of `value`.
        let result = unsafe {
            let fd = fd.as_fd().as_raw_fd();
            let value = (&raw mut value).cast();
            libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEEK_OFF, value, &raw mut len)
        };
        Errno::result(result).map(|_| value)
    }
}

impl SetSockOpt for PeekOffset {
    type Val = i32;

    fn set<F: AsFd>(&self, fd: &F, value: &i32) -> nix::Result<()> {
        // SAFETY: the descriptor is borrowed for the call, and the kernel reads SIZE bytes of `value`.
        let result = unsafe {
            let fd = fd.as_fd().as_raw_fd();
            let value = std::ptr::from_ref(value).cast();
            libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_PEEK_OFF, value, SIZE)
        };
        Errno::result(result).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{MsgFlags, getsockopt, recv, setsockopt};
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn peeking_moves_it_on_and_reading_moves_it_back() {
        let (mut theirs, ours) = UnixStream::pair().expect("pair");
        assert_eq!(getsockopt(&ours, PeekOffset), Ok(-1));
        setsockopt(&ours, PeekOffset, &0).expect("an option of this kernel");
        theirs.write_all(b"one two").expect("room");
        let mut buffer = [0; 16];
        let fd = ours.as_raw_fd();
        assert_eq!(recv(fd, &mut buffer[..4], MsgFlags::MSG_PEEK), Ok(4));
        assert_eq!(recv(fd, &mut buffer, MsgFlags::MSG_PEEK), Ok(3));
        assert_eq!(&buffer[..3], b"two");
        assert_eq!(recv(fd, &mut buffer[..4], MsgFlags::empty()), Ok(4));
        assert_eq!(getsockopt(&ours, PeekOffset), Ok(3));
    }
}
