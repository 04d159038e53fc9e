//! The segments of a directory.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirEntryExt, MetadataExt};
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
    for _ in 0..TRIES {
        if let Some(found) = try_list(dir)? {
            return Ok(found);
        }
    }
    Err(io::Error::other("its files are being renamed all the time"))
}

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
        at = list(dir)?.into_iter().find(|listed| listed.header == found.header);
    }
    Err(io::ErrorKind::NotFound.into())
}

/// `None` if something was renamed while the directory was read: a segment may then have been seen under
/// both of its names, or under neither.
fn try_list(dir: &Path) -> io::Result<Option<Vec<Found>>> {
    let inode = |path: &Path| fs::metadata(path).map(|meta| meta.ino()).ok();
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        match read_header(&entry.path()) {
            Ok(Some(segment)) => found.push((segment, entry.ino())),
            Ok(None) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        }
    }
    if found.iter().any(|(segment, ino)| inode(&segment.path) != Some(*ino)) {
        return Ok(None);
    }
    let mut found: Vec<_> = found.into_iter().map(|(segment, _)| segment).collect();
    found.sort_by(|a, b| {
        let key = |f: &Found| (f.header.first_seq, f.header.segment);
        key(a).cmp(&key(b)).then_with(|| a.path.cmp(&b.path))
    });
    Ok(Some(found))
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
                        std::thread::yield_now();
                    }
                    // Not even logrotate is at it all the time.
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
            });
            let lists = (0..200).map(|_| list(dir.path())).collect();
            stop.store(true, Ordering::Relaxed);
            lists
        });
        // A list may be refused under such a storm, but never be wrong.
        let taken: Vec<_> = lists.into_iter().flatten().collect();
        assert!(!taken.is_empty(), "every list was refused");
        for found in taken {
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
