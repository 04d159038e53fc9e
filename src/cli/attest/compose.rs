//! From the report of a verification to what the page says.

use indicatif::BinaryBytes;

use super::counts::{counts, moment, number, seals, seqs};
use super::files::Summed;
use super::frameworks::FRAMEWORKS;
use super::page::{Entry, Fact, FindingRow, Page};
use super::scan::Scan;
use crate::cli::text::visible;
use crate::cli::verify::{Against, NO_SEALS, Target, database, sentence};
use crate::clock::rfc3339;
use crate::ledger::verify::{Finding, Happening, Hole, Kind, Report, Verdict};
use crate::words::count;

/// Everything that the page is made from.
pub(super) struct Evidence<'a> {
    pub against: &'a Against,
    pub target: &'a Target,
    pub report: &'a Report,
    pub files: &'a [Summed],
    pub scan: &'a Scan,
    /// The period; `None`: from the beginning.
    pub since: Option<i64>,
    pub until: i64,
}

impl<'a> Evidence<'a> {
    pub fn page(&self) -> Page<'a> {
        let (report, scan) = (self.report, self.scan);
        let verdict = report.verdict;
        let happenings = report.history.as_ref().map(|history| &history.happenings);
        let of = |wanted: fn(Kind) -> bool| -> Vec<Entry> {
            let all = happenings.into_iter().flat_map(|list| list.iter());
            let within = |happening: &&Happening| {
                wanted(happening.kind)
                    && self.since.is_none_or(|since| happening.ts_ns >= since)
                    && happening.ts_ns <= self.until
            };
            all.filter(within).map(entry).collect()
        };
        let host = self.files.last().map_or("an unknown host", |file| file.host.as_str());
        let from = match self.since.or(report.figures.first_ts_ns) {
            Some(since) => moment(since),
            None => "the beginning".into(),
        };
        Page {
            version: env!("CARGO_PKG_VERSION"),
            made: rfc3339(self.target.options.now_ns),
            host: visible(host).into_owned(),
            from,
            until: moment(self.until),
            class: class(verdict),
            word: verdict.as_str(),
            sentence: visible(&sentence(report)).into_owned(),
            meaning: meaning(verdict),
            about: self.about(),
            checked: self.checked(),
            unchecked: self.unchecked(),
            keys: self.keys(),
            ranges: self.ranges(),
            receipts: self.receipts(),
            findings: findings(report),
            findings_left_out: report.findings_left_out,
            gaps: of(|kind| kind == Kind::Gap),
            gaps_none: match self.against.max_gap {
                Some(_) => {
                    "Nothing was written for longer than was allowed at no time of the period."
                }
                None => {
                    "No limit was given for times in which nothing is written (--max-gap), so gaps were not looked for."
                }
            },
            prunes: self.prunes(),
            events: of(|kind| !matches!(kind, Kind::Gap | Kind::Pruned)),
            happenings_left_out: happenings.map_or(0, |list| list.left_out()),
            seals: seals(scan),
            counts_sentence: self.counts_sentence(),
            counts: counts(scan),
            commands: self.commands(),
            files: self.file_rows(),
            sums: self.sums(),
            newest: self.newest(),
            frameworks: &FRAMEWORKS,
        }
    }

    fn about(&self) -> Vec<Fact> {
        let figures = &self.report.figures;
        let place = match &self.against.dir {
            Some(dir) => format!("a copy in {}", dir.display()),
            None => format!("this host, {}", self.target.options.paths.log_dir.display()),
        };
        let time = |ns: Option<i64>| ns.map_or_else(|| "unknown".to_owned(), rfc3339);
        vec![
            fact("Log", &figures.log_id),
            fact("Read from", &place),
            fact("First line there", &time(figures.first_ts_ns)),
            fact("Last line read", &time(figures.last_ts_ns)),
            fact("Page made", &rfc3339(self.target.options.now_ns)),
            fact("Made by", &format!("auditlog {}", env!("CARGO_PKG_VERSION"))),
        ]
    }

    fn checked(&self) -> Vec<Fact> {
        let figures = &self.report.figures;
        let lines = seqs(figures.first_seq, figures.next_seq);
        let mut facts = vec![
            fact("Files", &count(figures.segments, "segment")),
            fact("Bytes of lines", &BinaryBytes(figures.bytes).to_string()),
            fact("Lines (seq)", &lines),
            fact("Event lines", &number(figures.events)),
            fact("Seals", &format!("{} with root, chain and signature", number(figures.seals))),
            fact("Macs of single lines", &number(figures.macs)),
            fact("Lines after the last seal", &number(figures.open_lines)),
            fact("Database", &database(self.report, self.target.database.is_file())),
        ];
        if let Some((silence, seq)) = self.scan.silence {
            let seconds = silence.unsigned_abs() / 1_000_000_000;
            let value = format!("{}, ended by seq {}", count(seconds, "second"), number(seq));
            facts.push(fact("Longest time without a line in the period", &value));
        }
        facts
    }

    fn unchecked(&self) -> Vec<String> {
        let (report, mut list) = (self.report, Vec::new());
        if self.target.options.auditor_key.is_none() {
            list.push("The macs of single lines: they need the auditor key. Seals cover every line but those after the last seal.".to_owned());
        }
        if self.target.options.genesis.is_none() {
            list.push("The signatures of the seals: no genesis key was given.".to_owned());
        }
        if self.target.key_from_here {
            list.push("Whether the log was replaced as a whole together with its key: the genesis key was found on the host itself.".to_owned());
        }
        if report.anchored.covered.is_none() {
            list.push("Whether the host was set back to an older state: no checkpoint that was kept elsewhere was given.".to_owned());
        }
        if !self.target.seals {
            list.push(format!("Whether the log’s end was cut: {NO_SEALS}."));
        }
        if let (Some(since), Some(first)) = (self.since, report.figures.first_ts_ns)
            && since < first
        {
            list.push(format!(
                "The period before {}: the log that is here begins then.",
                moment(first)
            ));
        }
        if self.unread().is_some() {
            list.push("Everything behind the first line that does not hold.".to_owned());
        }
        if self.report.database_end.is_none() {
            list.push("The database, by which people search the log.".to_owned());
        }
        list.extend(report.unread.iter().map(|text| visible(text).into_owned()));
        list.extend(report.anchored.unchecked.iter().map(|text| visible(text).into_owned()));
        list.push(
            "Whether senders told the truth and sent everything: no log can show that.".to_owned(),
        );
        list
    }

    fn prunes(&self) -> Vec<Entry> {
        let holes = self.report.holes.iter().map(|Hole { first_seq, through_seq, record }| {
            let (first, through) = (number(*first_seq), number(*through_seq));
            let what = format!("seq {first} to {through} by the rule: {}", record.policy);
            Entry {
                time: moment(record.ts_ns),
                seq: number(record.seq),
                what: visible(&what).into_owned(),
            }
        });
        holes.collect()
    }

    fn counts_sentence(&self) -> String {
        let scan = self.scan;
        let lines = match scan.seqs {
            Some((first, last)) => format!(" (seq {} to {})", number(first), number(last)),
            None => String::new(),
        };
        let source = match self.report.verdict {
            verdict if verdict.is_ok() => {
                "Counted in the signed lines themselves, which were just verified, not in the database."
            }
            Verdict::Tampered => {
                "Counted in the lines as they are. The log was tampered with: the numbers are not evidence."
            }
            _ => "Counted in the lines as they are, as far as they could be read.",
        };
        let figures = &self.report.figures;
        let open = match (figures.open_lines, figures.macs) {
            (open, 0) if open > 0 => {
                let open = count(open, "line");
                format!(" The last {open} of the log waited for a seal, and are not proven.")
            }
            _ => String::new(),
        };
        format!(
            "{} of clients and {} of the daemon itself{lines}; {} of lines that were refused. {source}{open}",
            count(scan.events, "event"),
            count(scan.own, "record"),
            count(scan.rejected, "record")
        )
    }
}

fn fact(name: &'static str, value: &str) -> Fact {
    Fact { name, value: visible(value).into_owned() }
}

fn entry(happening: &Happening) -> Entry {
    Entry {
        time: moment(happening.ts_ns),
        seq: number(happening.seq),
        what: visible(&happening.sentence).into_owned(),
    }
}

fn findings(report: &Report) -> Vec<FindingRow> {
    let place = |finding: &Finding| match &finding.place {
        Some(place) => format!(
            "{}, line {}, seq {}, byte {}",
            place.file.display(),
            number(place.line),
            number(place.seq),
            number(place.offset)
        ),
        None => String::new(),
    };
    let row = |finding: &Finding| FindingRow {
        class: class(finding.verdict),
        word: finding.verdict.as_str(),
        message: visible(&finding.message).into_owned(),
        place: visible(&place(finding)).into_owned(),
    };
    report.findings.iter().map(row).collect()
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::OkAnchored | Verdict::OkUnanchored => "ok",
        Verdict::Unverifiable | Verdict::Incomplete => "warn",
        Verdict::Tampered => "bad",
    }
}

/// What the verdict means, for somebody who reads such a page for the first time.
fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::OkAnchored => {
            "Nothing that was checked was changed, removed, added or moved. A checkpoint that was kept off the host shows that the log up to there is the one that existed then."
        }
        Verdict::OkUnanchored => {
            "Nothing that was checked was changed, removed, added or moved. That the log was not set back to an older state as a whole is not shown: nothing that was kept off the host was given."
        }
        Verdict::Unverifiable => {
            "It could not be decided whether the log is as it was written; the findings say what was missing."
        }
        Verdict::Incomplete => {
            "There is no sign that somebody changed the log, but it is not the whole log; the findings say what is missing and why."
        }
        Verdict::Tampered => {
            "There is evidence that somebody changed the log or the database after it was written; the findings say where."
        }
    }
}
