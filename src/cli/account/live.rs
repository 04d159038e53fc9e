//! What a running daemon says.

use std::path::Path;

use serde::Serialize;

use crate::cli::daemon::{ask, unexpected};
use crate::control::{self, Reply, Request};

/// Its answer, or why there is none.
#[derive(Serialize)]
pub(super) struct Live {
    /// Of this run of the daemon; null if it does not answer.
    pub account: Option<Box<control::Account>>,
    /// Why it does not.
    pub error: Option<String>,
}

impl Live {
    /// Asks the daemon whose control socket this is.
    pub(super) fn ask(socket: &Path) -> Self {
        match ask(socket, &Request::Account) {
            Ok(Reply::Account(account)) => Self { account: Some(account), error: None },
            Ok(_) => Self { account: None, error: Some(unexpected().to_string()) },
            Err(error) => Self { account: None, error: Some(error.to_string()) },
        }
    }

    /// Only this user's counters and connections.
    pub(super) fn only(&mut self, uid: u32) {
        if let Some(account) = &mut self.account {
            account.users.retain(|other, _| *other == uid);
            account.connections.retain(|open| open.peer["uid"] == uid);
        }
    }

    /// Lines that were taken in, and of which it is not known yet what becomes of them.
    pub(super) fn waiting(&self) -> Option<u64> {
        let account = self.account.as_ref()?;
        Some(account.users.values().map(|user| user.waiting()).sum())
    }
}
