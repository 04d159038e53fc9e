//! Asking the running daemon.

use std::path::Path;

use super::error::Error;
use crate::control::{self, Reply, Request};

/// What the daemon whose control socket is at `socket` answers; that it refuses is an error.
pub(super) fn ask(socket: &Path, request: &Request) -> Result<Reply, Error> {
    match control::request(socket, request).map_err(Error::Control)? {
        Reply::Refused(why) => Err(Error::Refused(why)),
        reply => Ok(reply),
    }
}

/// The answer was to another question.
pub(super) fn unexpected() -> Error {
    Error::Refused("it gave an answer to another question; is it of another version?".into())
}
