//! The segments of a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use super::{Encoding, Found, header_of, read_header};
use crate::fs::open_regular;

/// What the files of compressors begin with that are not read here: xz, bzip2, lz4.
const OTHER_COMPRESSORS: [&[u8]; 3] = [b"\xfd7zXZ\0", b"BZh", &[0x04, 0x22, 0x4d, 0x18]];

/// How often to look again at a directory whose files are being renamed.
const TRIES: usize = 100;

/// All segments in `dir`, of any log, oldest first by what their headers say; other files are left out.
/// Files may be renamed, compressed or deleted meanwhile: the list is one that was true at one moment.
pub fn list(dir: &Path) -> io::Result<Vec<Found>> {
    let mut known = Known::new();
    for _ in 0..TRIES {
        if try_list(dir, &mut known)? {
            let mut found: Vec<_> = known.into_values().collect();
            found.sort_by_cached_key(key);
            return Ok(found);
        }
    }
    Err(io::Error::other("its files are being renamed all the time"))
}

/// Those of one log, `log_id`.
pub fn list_of(dir: &Path, log_id: &str) -> io::Result<Vec<Found>> {
    let mut found = list(dir)?;
    found.retain(|found| found.header.log_id == log_id);
    Ok(found)
}

/// What a listed segment has become, if it was compressed since and has the name that says so.
fn compressed(found: &Found) -> Option<Found> {
    let at = |encoding: Encoding| {
        let mut path = found.path.clone().into_os_string();
        path.push(encoding.ending());
        read_header(Path::new(&path)).ok()?.filter(|here| here.header == found.header)
    };
    [Encoding::Zstd, Encoding::Gzip].into_iter().find_map(at)
}

/// What segments are ordered by: their first leaf and their number, and copies of one by their paths.
pub(super) type Key = (u64, u64, PathBuf);

pub(super) fn key(found: &Found) -> Key {
    (found.header.first_seq, found.header.segment, found.path.clone())
}

/// The regular files of a directory: their paths and inodes.
pub(super) type Files = BTreeSet<(PathBuf, u64)>;

/// The segments among them.
type Known = BTreeMap<(PathBuf, u64), Found>;

/// Opens a listed segment, unless something else stands at its path by now, which is `NotFound`.
pub fn open_listed(found: &Found) -> io::Result<fs::File> {
    let file = open_regular(&found.path)?;
    match header_of(&file, &found.path)? {
        Some(here) if here.header == found.header => Ok(file),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Opens a listed segment, wherever it is by now: it may have been renamed or compressed.
pub fn reopen(found: &Found) -> io::Result<(Found, fs::File)> {
    let gone = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
    let dir = found.path.parent().unwrap_or(Path::new("."));
    let mut at = Some(found.clone());
    for _ in 0..TRIES {
        let Some(found) = at else { break };
        match open_listed(&found) {
            Err(e) if gone(&e) => {}
            opened => return opened.map(|file| (found, file)),
        }
        at = match compressed(&found) {
            None => list(dir)?.into_iter().find(|listed| listed.header == found.header),
            compressed => compressed,
        };
    }
    Err(io::ErrorKind::NotFound.into())
}

pub(super) fn files(dir: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.insert((entry.path(), entry.ino()));
        }
    }
    Ok(files)
}

/// Makes `known` what is there; `false` if something was renamed, came or went meanwhile: a segment may then have
/// been seen under both of its names, or under neither. What did not change is not read again the next time.
fn try_list(dir: &Path, known: &mut Known) -> io::Result<bool> {
    let before = files(dir)?;
    known.retain(|file, _| before.contains(file));
    for file in &before {
        if known.contains_key(file) {
            continue;
        }
        match read_header(&file.0) {
            Ok(Some(segment)) => drop(known.insert(file.clone(), segment)),
            Ok(None) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e),
        }
    }
    Ok(files(dir)? == before)
}

/// Files in `dir` that look like segments but are none: they begin as a header does, or they are
/// compressed and what is in them begins with none, or cannot be read here.
pub fn broken(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut broken = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_file()
            && looks_like_a_segment(&path)?
            && read_header(&path)?.is_none()
        {
            broken.push(path);
        }
    }
    broken.sort();
    Ok(broken)
}

fn looks_like_a_segment(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    open_regular(path)?.take(16).read_to_end(&mut start)?;
    let other = OTHER_COMPRESSORS.iter().any(|magic| start.starts_with(magic));
    Ok(other || start.starts_with(br#"{"auditlog":"#) || Encoding::of(&start) != Encoding::Plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::ledger::segment::header::tests::header;

    #[test]
    fn a_list_taken_while_files_are_renamed_holds_each_segment_once() {
        let dir = tempfile::tempdir().expect("dir");
        let at = |name: String| dir.path().join(name);
        for n in 0..20 {
            fs::write(at(format!("a{n}")), header(n).to_line()).expect("write");
        }
        let stop = AtomicBool::new(false);
        let lists: Vec<_> = std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in (0u32..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                    let (from, to) = if round % 2 == 0 { ("a", "b") } else { ("b", "a") };
                    for n in 0..20 {
                        fs::rename(at(format!("{from}{n}")), at(format!("{to}{n}")))
                            .expect("rename");
                        // A hundred times a second: more often than any logrotate.
                        std::thread::sleep(std::time::Duration::from_millis(10));
                    }
                }
            });
            let lists = (0..200).map(|_| list(dir.path())).collect();
            stop.store(true, Ordering::Relaxed);
            lists
        });
        for found in lists {
            let found = found.expect("none is refused");
            let numbers: Vec<_> = found.iter().map(|f| f.header.segment).collect();
            assert_eq!(numbers, (0..20).collect::<Vec<_>>());
        }
    }

    #[test]
    fn segments_are_ordered_by_their_headers_whatever_their_names_and_compression() {
        let dir = tempfile::tempdir().expect("dir");
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a"), header(9).to_line()).expect("write");
        let zstd = zstd::encode_all(&header(3).to_line()[..], 3).expect("zstd");
        fs::write(at("z.zst"), zstd).expect("write");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&header(6).to_line()).expect("gzip");
        fs::write(at("m.gz"), gzip.finish().expect("gzip")).expect("write");
        fs::write(at("note.txt"), "not a segment\n").expect("write");
        fs::write(at("empty"), "").expect("write");
        let names: Vec<_> = list(dir.path()).expect("list").into_iter().map(|f| f.path).collect();
        assert_eq!(names, [at("z.zst"), at("m.gz"), at("a")]);
    }
}
