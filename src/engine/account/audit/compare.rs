//! One record of sums is held against the one before it and the lines in between.

use std::collections::{BTreeMap, BTreeSet};

use super::{Audit, Kind, Name, Said, named};
use crate::metrics::SHARED;
use crate::record::Sums;

/// The names of the sums that lines show, for people.
const NAMES: [&str; 4] = ["stored", "refused", "summarised", "missing"];

impl Audit {
    /// All parts of the sums are there, the last of them at the leaf `seq`.
    pub(super) fn whole(&mut self, seq: u64, ts_ns: i64, in_period: bool) {
        let parts = std::mem::take(&mut self.parts);
        let from_seq = parts.first().map_or(0, |part| part.from_seq);
        let users = parts.into_iter().flat_map(|part| part.users);
        let said = Said { from_seq, users: users.map(|user| (user.uid, user)).collect() };
        let begins = match &self.said {
            Some(before) => before.from_seq != said.from_seq,
            None => said.from_seq != 0,
        };
        let before = self.said.take().filter(|_| !begins);
        self.checked += 1;
        self.last = Some((seq, ts_ns));
        if begins {
            let from = said.from_seq;
            let text = format!(
                "the sums begin anew at leaf {from}, because those before it were not found at a start; lines before it are counted, but no sums vouch for their number"
            );
            self.find(Kind::Unverifiable, text);
        }
        self.compare(seq, before, &said, begins, in_period);
        self.waiting =
            said.users.values().filter(|u| u.waiting > 0).map(|u| (u.uid, u.waiting)).collect();
        self.said = Some(said);
        self.since.clear();
        self.hole = false;
    }

    fn compare(
        &mut self,
        seq: u64,
        before: Option<Said>,
        said: &Said,
        begins: bool,
        in_period: bool,
    ) {
        let mut counted: BTreeMap<u32, Sums> = BTreeMap::new();
        for (uid, sums) in std::mem::take(&mut self.since) {
            let uid = if said.users.contains_key(&uid) { uid } else { SHARED };
            *counted.entry(uid).or_default() += sums;
        }
        let before = before.map_or_else(BTreeMap::new, |before| before.users);
        let uids: BTreeSet<_> =
            before.keys().chain(counted.keys()).chain(said.users.keys()).copied().collect();
        for uid in uids {
            let now = said.users.get(&uid).copied().unwrap_or_default();
            let then = before.get(&uid).copied().unwrap_or_default();
            let counted = counted.get(&uid).copied().unwrap_or_default();
            if now.lines != now.sums.settled().saturating_add(now.waiting) {
                let text = format!(
                    "the sums at leaf {seq} contradict themselves: {} lines of {} were taken in, and {} dealt with or waiting",
                    now.lines,
                    Name(uid),
                    now.sums.settled().saturating_add(now.waiting)
                );
                self.find(Kind::Contradiction, text);
            }
            let Some(grown) = now.sums.since(&then.sums) else {
                let text =
                    format!("at leaf {seq} a sum of {} is less than it was before", Name(uid));
                self.find(Kind::Contradiction, text);
                continue;
            };
            let beyond = match (grown.shown().since(&counted), self.hole) {
                // The beginning of these sums is not the end of the last ones.
                _ if begins => Some(Sums::default()),
                (Some(beyond), true) => Some(beyond),
                (Some(beyond), false) if beyond == Sums::default() => Some(beyond),
                _ => None,
            };
            match beyond {
                None => self.contradiction(seq, uid, &grown, &counted),
                Some(beyond) if in_period => {
                    // Lines that were deleted are of no period that is asked for.
                    let deleted = if self.period.is_none() { beyond } else { Sums::default() };
                    *named(&mut self.users, uid) += Sums { repeated: grown.repeated, ..deleted };
                }
                Some(_) => {}
            }
        }
    }

    fn contradiction(&mut self, seq: u64, uid: u32, said: &Sums, counted: &Sums) {
        for (name, (said, counted)) in NAMES.into_iter().zip(shown(said).zip(shown(counted))) {
            let wrong = if self.hole { counted > said } else { counted != said };
            if wrong {
                let text = format!(
                    "up to leaf {seq} the log says that {said} lines of {} were {name} since the sums before, and its lines show {counted}",
                    Name(uid)
                );
                self.find(Kind::Contradiction, text);
            }
        }
    }
}

fn shown(sums: &Sums) -> impl Iterator<Item = u64> + use<> {
    [sums.stored, sums.refused, sums.summarised, sums.missing].into_iter()
}
