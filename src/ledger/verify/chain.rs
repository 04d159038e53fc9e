//! The state of a verification between two lines: what the next line must continue. Workers have checked
//! what can be checked of a line alone; here their results are joined in the order of the log.

mod begin;
mod finish;
mod hole;
mod prune;
mod records;
mod sealed;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use hole::{Hole, Missing};
pub use prune::Prune;
pub use sealed::Sealed;

use super::anchors::{self, Given, Places};
use super::blocks::Broken;
use super::history::{History, Kind};
use super::order::When;
use super::pipeline::Item;
use super::position::Position;
use super::seals::Seals;
use super::worker::{Run, Step};
use super::{Ended, Finding, Options, Place, Report, Verdict, unreadable};
use crate::clock::rfc3339;
use crate::ledger::keys::LogId;
use crate::ledger::seal::Reason;
use crate::ledger::tree::{Hash, Tree};

pub(super) struct Chain<'o> {
    options: &'o Options,
    pub place: Place,
    seals: Option<Seals>,
    /// Bytes of seals.jsonl when the verification began.
    seals_len: Option<u64>,
    log_id: Option<LogId>,
    tree: Tree,
    /// The tree where segments and holes begin, which is where a prune can begin and end.
    trees: BTreeMap<u64, Tree>,
    segment: Option<u64>,
    /// The hash of its header, which its seals repeat.
    header: Hash,
    /// Whether leaf 0 was read and says how the log was begun.
    born: bool,
    epoch: u64,
    epoch_first: u64,
    /// The hash of the last seal's line, the key that signs the next one, and where that one was in time.
    prev: Hash,
    next_pub: Option<Hash>,
    last_boot: Option<(String, u64)>,
    last_reason: Option<Reason>,
    last_ts_ns: Option<i64>,
    after_seal: bool,
    /// Leaf 0 and the auditor key do not fit together, and what that means unless seal 0 shows that the key
    /// is another log's.
    wrong_key: Option<Finding>,
    /// Leaves that are not there, in order.
    holes: Vec<Missing>,
    /// Whether a record accounts for one of them, which the next seal has yet to confirm.
    holes_said: bool,
    /// What records let go, by the last leaf of it.
    prunes: BTreeMap<u64, (Prune, Place)>,
    /// What witnesses have cosigned of [`Chain::own`].
    cosigned: Vec<Given>,
    /// The checkpoints beside the log: they vouch for nothing, but the log must not contradict them.
    own: Vec<Given>,
    pub places: Places,
    history: Option<History>,
    /// Findings that depend on what was asked for, and not on the log alone: not for later runs.
    passing: Vec<usize>,
    /// After the last seal, and how many findings there were by then.
    position: Option<(Position, usize)>,
    report: Report,
}

impl<'o> Chain<'o> {
    pub fn new(options: &'o Options) -> Self {
        let own = anchors::beside_the_log(&options.paths);
        let (cosigned, silent) = anchors::cosigned_by_witnesses(options, &own);
        let mut report = Report::default();
        report.anchored.unchecked = silent;
        Self {
            options,
            place: Place::default(),
            seals: None,
            seals_len: None,
            log_id: None,
            tree: Tree::default(),
            trees: BTreeMap::new(),
            segment: None,
            header: [0; 32],
            born: false,
            epoch: 0,
            epoch_first: 0,
            prev: [0; 32],
            next_pub: options.genesis,
            last_boot: None,
            last_reason: None,
            last_ts_ns: None,
            after_seal: true,
            wrong_key: None,
            holes: Vec::new(),
            holes_said: false,
            prunes: BTreeMap::new(),
            places: Places::of(options.anchors.iter().chain(&own)),
            cosigned,
            own,
            history: options.history.then(History::default),
            passing: Vec::new(),
            position: None,
            report,
        }
    }

    pub fn found(&mut self, finding: Finding) {
        self.report.add(finding);
    }

    fn tampered(&self, message: impl Into<String>) -> Finding {
        let place = Some(self.place.clone());
        Finding { verdict: Verdict::Tampered, message: message.into(), place }
    }

    fn incomplete(&self, message: String) -> Finding {
        Finding { verdict: Verdict::Incomplete, message, place: Some(self.place.clone()) }
    }

    /// Goes on with what the reader or a worker found.
    pub fn join(&mut self, item: Item) -> Result<(), Ended> {
        match item {
            Item::Segment { found, path, at } => Ok(self.begin(&found, &path, at)?),
            Item::Block(steps) => {
                let steps = steps.recv().map_err(|_| {
                    Finding::new(Verdict::Unverifiable, "a thread ended before its work was done")
                })?;
                Ok(steps.into_iter().try_for_each(|step| self.step(step))?)
            }
            Item::End => Ok(()),
            Item::Broken(path, broken) => Err(self.broken(path, broken)),
        }
    }

    fn broken(&mut self, path: PathBuf, broken: Broken) -> Ended {
        self.place.seq = self.tree.size();
        match broken {
            Broken::Gone => Ended::Gone(path),
            Broken::Unreadable(error) => unreadable(&path, &error).into(),
            Broken::Tampered(message) => self.tampered(message).into(),
        }
    }

    fn step(&mut self, step: Step) -> Result<(), Finding> {
        self.place.seq = self.tree.size();
        match step {
            Step::Time(when) => self.time(when),
            Step::Gap(when) => {
                self.gap(when, "nothing says why");
                Ok(())
            }
            Step::Mac { seq, mac } => {
                self.places.mac(seq, mac);
                Ok(())
            }
            Step::WrongKey => {
                self.wrong_key = Some(self.tampered("the line's mac is not the one its key gives"));
                Ok(())
            }
            Step::Own { seq, ts_ns, own } => self.own_record(seq, ts_ns, &own),
            Step::Lines(run) => self.lines(&run),
            Step::Seal(line) => self.seal(&line),
            Step::Bad(message) => Err(self.tampered(message)),
        }
    }

    fn time(&mut self, when: When) -> Result<(), Finding> {
        let Some(last) = self.last_ts_ns else { return Ok(()) };
        when.check(last, false).map_err(|message| self.tampered(message))?;
        if when.is_gap(last, self.options.max_gap_ns) {
            self.gap(when, "nothing says why");
        }
        Ok(())
    }

    /// Nothing was written for too long, up to `when`.
    fn gap(&mut self, when: When, why: &str) {
        let from = self.last_ts_ns.map(rfc3339).unwrap_or_default();
        let message = format!("nothing was written from {from} to {}: {why}", rfc3339(when.ts_ns));
        if let Some(history) = &mut self.history {
            history.happened(self.tree.size(), when.ts_ns, Kind::Gap, message.clone());
        }
        self.passing.push(self.report.findings.len());
        let finding = self.incomplete(message);
        self.found(finding);
    }

    /// Leaf 0, where it is read, must say how the log was begun.
    fn check_birth(&self) -> Result<(), Finding> {
        if self.tree.size() == 0 && !self.born {
            return Err(self.tampered("leaf 0 is not the record of how the log was begun"));
        }
        Ok(())
    }

    fn lines(&mut self, run: &Run) -> Result<(), Finding> {
        self.check_birth()?;
        if self.place.line == 2 && !self.after_seal {
            return Err(self.tampered(
                "the segment before does not end with a seal, and this one does not begin with it",
            ));
        }
        run.range.append_to(&mut self.tree);
        let lines = run.range.len();
        let figures = &mut self.report.figures;
        figures.events += lines;
        if self.options.auditor_key.is_some() {
            figures.macs += lines;
        }
        if let Some(history) = &mut self.history {
            history.rejected = history.rejected.saturating_add(run.rejected);
        }
        self.after_seal = false;
        self.read(lines, run.bytes, run.first_ts_ns, run.last_ts_ns);
        Ok(())
    }

    /// Remembers the tree as it is now.
    fn keep_tree(&mut self) {
        self.trees.insert(self.tree.size(), self.tree.clone());
    }

    /// Counts lines that were joined.
    fn read(&mut self, lines: u64, bytes: u64, first_ts_ns: i64, last_ts_ns: i64) {
        let figures = &mut self.report.figures;
        figures.bytes += bytes;
        figures.first_ts_ns.get_or_insert(first_ts_ns);
        self.last_ts_ns = Some(last_ts_ns);
        self.place.line += lines;
        self.place.offset += bytes;
        self.places.pass(&self.tree, self.last_ts_ns);
    }
}
