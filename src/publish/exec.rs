//! An anchor that is a program: the checkpoint on its standard input.

use std::time::Duration;

use super::{Context, Delivered, Failure, Target};
use crate::engine::Sealed;
use crate::program::{Over, Program};

pub(super) struct ExecAnchor {
    /// The program and its arguments; not empty.
    pub command: Vec<String>,
    pub timeout: Duration,
}

impl Target for ExecAnchor {
    fn deliver(&mut self, sealed: &Sealed, context: &Context<'_>) -> Result<Delivered, Failure> {
        let env = [
            ("AUDITLOGD_LOG_ID", sealed.log_id.clone()),
            ("AUDITLOGD_SIZE", sealed.size.to_string()),
        ];
        let input = sealed.checkpoint.as_bytes();
        let program = Program { command: &self.command, more: &[], env: &env, input };
        let patience = context.slot.patience(self.timeout);
        let over = || {
            let over = match patience.is_short() {
                true => Over::Ending,
                false => Over::TooLong(self.timeout),
            };
            patience.left().is_zero().then_some(over)
        };
        program.run(&over).map_err(Failure::Failed)?;
        Ok(Delivered::default())
    }
}
