//! The segments of a log from its end, for whoever wants to know what was written last: however many there are, only
//! those are opened that are asked for. Which these are, the names say that the daemon gives; a file of another name is
//! opened in any case. Nothing else goes by names, and nothing here believes one that the header gives the lie.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::dir::{Key, files, key, list_of};
use super::{Encoding, Found, read_header};

/// Segments, newest first; of several files of one segment, all.
pub struct NewestFirst {
    dir: PathBuf,
    log_id: String,
    /// Not yet opened, by the number that the name says.
    named: BTreeMap<u64, Vec<PathBuf>>,
    /// Opened, oldest first.
    opened: Vec<Found>,
    /// What was given last.
    given: Option<Key>,
}

impl NewestFirst {
    /// Those of the log `log_id` (32 hex digits) in `dir`.
    pub fn new(dir: &Path, log_id: &str) -> io::Result<Self> {
        let (named, opened, given) = (BTreeMap::new(), Vec::new(), None);
        let mut all = Self { dir: dir.into(), log_id: log_id.into(), named, opened, given };
        let mut others = Vec::new();
        for path in files(dir)?.into_iter().map(|(path, _)| path) {
            match number(&path) {
                Some(number) => all.named.entry(number).or_default().push(path),
                None => others.push(path),
            }
        }
        all.open(others, None)?;
        Ok(all)
    }

    /// The next one; none once that was the oldest.
    pub fn older(&mut self) -> io::Result<Option<Found>> {
        while let Some(named) = self.named.last_entry() {
            if self.opened.last().is_some_and(|found| found.header.segment > *named.key()) {
                break;
            }
            let (number, paths) = named.remove_entry();
            self.open(paths, Some(number))?;
        }
        let next = self.opened.pop();
        self.given = next.as_ref().map(key);
        Ok(next)
    }

    fn open(&mut self, paths: Vec<PathBuf>, number: Option<u64>) -> io::Result<()> {
        for path in paths {
            match read_header(&path) {
                Ok(Some(found)) if number.is_some_and(|n| n != found.header.segment) => {
                    return self.open_all();
                }
                Ok(Some(found)) if found.header.log_id == self.log_id => self.opened.push(found),
                Ok(_) => {}
                // Renamed, compressed or deleted.
                Err(e) if e.kind() == io::ErrorKind::NotFound => return self.open_all(),
                Err(e) => return Err(e),
            }
        }
        self.opened.sort_by_cached_key(key);
        Ok(())
    }

    /// Goes by the headers alone.
    fn open_all(&mut self) -> io::Result<()> {
        self.named.clear();
        self.opened = list_of(&self.dir, &self.log_id)?;
        if let Some(given) = &self.given {
            self.opened.retain(|found| key(found) < *given);
        }
        Ok(())
    }
}

/// The number in a name that [`crate::ledger::Ledger::move_active`] gives, of a file that may have been compressed since.
fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let endings = Encoding::ALL.map(Encoding::ending);
    let plain = endings.iter().filter(|e| !e.is_empty()).find_map(|end| name.strip_suffix(end));
    let stem = plain.unwrap_or(name).strip_suffix(".jsonl")?.strip_prefix("audit-")?;
    let (time, number) = stem.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let of_time = |text: &[u8]| text.len() == 16 && (text[8], text[15]) == (b'T', b'Z');
    let number = number.split_once('.').map_or(number, |(number, _)| number);
    (of_time(time.as_bytes()) && digits(number)).then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::ledger::segment::header::tests::header;

    fn segments(dir: &Path) -> Vec<u64> {
        let mut newest = NewestFirst::new(dir, &"05".repeat(16)).expect("lists");
        let next = || newest.older().expect("opens").map(|found| found.header.segment);
        std::iter::from_fn(next).collect()
    }

    fn name(segment: u8) -> String {
        format!("audit-20261121T012345Z-{segment}.jsonl")
    }

    #[test]
    fn a_name_that_the_daemon_gives_says_the_number_and_no_other_name_does() {
        for (name, says) in [
            ("audit-20261121T012345Z-17.jsonl", Some(17)),
            ("audit-20261121T012345Z-17.2.jsonl", Some(17)),
            ("audit-20261121T012345Z-17.jsonl.zst", Some(17)),
            ("audit-20261121T012345Z-17.jsonl.gz", Some(17)),
            ("audit-20261121T012345Z-.jsonl", None),
            ("audit-20261121-17.jsonl", None),
            ("audit-rescued-17.jsonl", None),
            ("audit-éé0261121T01234Z-17.jsonl", None),
            ("audit.jsonl", None),
            ("audit.jsonl.1.gz", None),
        ] {
            assert_eq!(number(Path::new(name)), says, "{name}");
        }
    }

    #[test]
    fn segments_come_newest_first_and_only_those_are_opened_that_are_asked_for() {
        let dir = tempfile::tempdir().expect("dir");
        let at = |name: String| dir.path().join(name);
        for segment in [3, 10, 9, 20] {
            fs::write(at(name(segment)), header(segment).to_line()).expect("write");
        }
        let packed = zstd::encode_all(&header(9).to_line()[..], 1).expect("zstd");
        fs::write(at(name(9) + ".zst"), packed).expect("write");
        fs::write(at("audit.jsonl".into()), header(21).to_line()).expect("write");
        fs::write(at("somebody's copy".into()), header(5).to_line()).expect("write");
        assert_eq!(segments(dir.path()), [21, 20, 10, 9, 9, 5, 3]);
        // What cannot be opened does not hinder anybody who does not ask for it.
        fs::remove_file(at(name(3))).expect("removes");
        fs::create_dir(at("elsewhere".into())).expect("makes");
        let mut newest = NewestFirst::new(dir.path(), &"05".repeat(16)).expect("lists");
        fs::write(at(name(10)), "no segment any more").expect("write");
        let next = newest.older().expect("opens").expect("there is one");
        assert_eq!(next.path, at("audit.jsonl".into()));
    }

    #[test]
    fn a_name_that_lies_changes_nothing_once_it_is_seen() {
        let dir = tempfile::tempdir().expect("dir");
        for (segment, called) in [(3, 3), (9, 20), (20, 9), (10, 10)] {
            fs::write(dir.path().join(name(called)), header(segment).to_line()).expect("write");
        }
        assert_eq!(segments(dir.path()), [20, 10, 9, 3]);
    }

    #[test]
    fn a_file_that_is_renamed_meanwhile_is_found_by_its_new_name() {
        let dir = tempfile::tempdir().expect("dir");
        let at = |segment: u8| dir.path().join(name(segment));
        for segment in [3, 9, 10] {
            fs::write(at(segment), header(segment).to_line()).expect("write");
        }
        let mut newest = NewestFirst::new(dir.path(), &"05".repeat(16)).expect("lists");
        let mut next = || newest.older().expect("opens").map(|found| found.header.segment);
        assert_eq!(next(), Some(10));
        fs::rename(at(9), dir.path().join("moved")).expect("renames");
        assert_eq!((next(), next(), next()), (Some(9), Some(3), None));
    }
}
