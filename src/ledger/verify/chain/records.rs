//! What the daemon's own records mean for the verdict.

use super::Chain;
use crate::clock::parse_rfc3339;
use crate::ledger::verify::Finding;
use crate::ledger::verify::own::{Data, Own};
use crate::ledger::{FORMAT, hex};
use crate::record::EarlierRules;

impl Chain<'_> {
    pub(super) fn own_record(&mut self, seq: u64, ts_ns: i64, own: &Own) -> Result<(), Finding> {
        match own.kind() {
            "log_created" if seq == 0 => self.log_created(&own.data)?,
            "pruned" => self.pruned(seq, ts_ns, &own.data)?,
            "maintained" => {
                if let Some(definition) = &own.data.retention {
                    self.report.retention.name(definition, ts_ns);
                }
                for EarlierRules { retention, until } in own.data.earlier.iter().flatten() {
                    if let Some(until_ns) = parse_rfc3339(until) {
                        self.report.retention.name(retention, until_ns.min(ts_ns));
                    }
                }
            }
            "recovered" | "reopened" => {
                if let Some(damage) = &own.data.damage {
                    let message = format!("the daemon found and recorded: {damage}");
                    let finding = self.incomplete(message);
                    self.found(finding);
                }
            }
            _ => {}
        }
        if let Some(history) = &mut self.history {
            history.own(seq, ts_ns, own);
        }
        Ok(())
    }

    fn log_created(&mut self, data: &Data) -> Result<(), Finding> {
        self.born = true;
        if data.format != Some(FORMAT) || data.log_id.as_ref() != Some(&self.report.figures.log_id)
        {
            return Err(self.tampered("leaf 0 was written for another log or another format"));
        }
        self.places.key = data.checkpoint_vkey.as_ref().and_then(|key| key.parse().ok());
        let said = data.genesis_pub.as_deref().and_then(hex::decode);
        match self.options.genesis {
            Some(key) if said != Some(key) => Err(self.tampered(
                "the log was not begun with the genesis key that was given: the key is of another log, or the whole log was replaced",
            )),
            Some(_) => Ok(()),
            // Not pinned: its own word still shows whether the log agrees with itself.
            None => {
                self.next_pub = said;
                Ok(())
            }
        }
    }
}
