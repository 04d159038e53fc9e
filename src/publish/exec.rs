//! An anchor that is a program: the checkpoint on its standard input.

use std::time::Duration;

use super::{Context, Delivered, Failure, Target};
use crate::engine::Sealed;
use crate::program::{Interrupt, Program};

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
        let program = Program { command: &self.command, args: &[], env: &env, input };
        let patience = context.slot.patience(self.timeout);
        let interrupt = || {
            let interrupt = match patience.is_short() {
                true => Interrupt::Stopping,
                false => Interrupt::TimedOut(self.timeout),
            };
            patience.left().is_zero().then_some(interrupt)
        };
        program.run(&interrupt).map_err(Failure::Failed)?;
        Ok(Delivered::default())
    }
}
