//! Which lines a submission comes to: those that are not stored yet.

use super::Writer;
use crate::engine::repeats::Seen;
use crate::engine::submit::{Queued, Receipt, Submission};
use crate::ledger::LedgerError;

impl Writer {
    /// Signs the lines of one submission; the receipt is of its last accepted event, or of the line that it repeats.
    pub(super) fn sign(
        &mut self,
        ts: &str,
        queued: &mut Queued,
        first_mac: &mut Option<[u8; 64]>,
    ) -> Result<Option<Receipt>, LedgerError> {
        let Submission { peer, uid, text, items, .. } = &mut queued.submission;
        let mut receipt = None;
        let mut rest = text.as_slice();
        let mut stored = 0;
        for at in 0..items.len() {
            let item = items[at];
            let (id, after) = rest.split_at(item.id_len as usize);
            let (event, after) = after.split_at(item.event_len as usize);
            rest = after;
            let key = match self.repeats.look(*uid, id, event) {
                Seen::Repeat(first) => {
                    receipt = Some(first);
                    continue;
                }
                Seen::New(key) => key,
            };
            let (seq, mac) = self.ledger.sign(ts, id, peer, event)?;
            first_mac.get_or_insert(mac);
            let signed = Receipt { seq, mac };
            if let Some(key) = key {
                self.output.metrics.event_ids_reused.add(u64::from(key.reused));
                self.repeats.enter(*uid, key, &signed);
            }
            if item.accepted {
                receipt = Some(signed);
            }
            items[stored] = item;
            stored += 1;
        }
        let repeated = (items.len() - stored) as u64;
        if repeated > 0 {
            items.truncate(stored);
            self.output.metrics.events_repeated.add(repeated);
            self.output.metrics.accounts.of(*uid).repeated.add(repeated);
        }
        Ok(receipt)
    }
}
