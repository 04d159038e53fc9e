//! Segments: the files that hold the lines, each with a header that says where it belongs
//! (docs/ledger-format.md, "Segments").

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::keys::LogId;
use super::seal::Hex;
use super::tree::Tree;

/// The longest header: 64 subtree roots and a host name.
pub const MAX_HEADER: u64 = 8192;

/// A segment's first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The format's version.
    pub auditlog: u32,
    /// The log, 32 hex digits.
    pub log_id: String,
    /// The host's name when the segment was opened.
    pub host: String,
    /// Segments count from 0.
    pub segment: u64,
    /// The first leaf that it holds.
    pub first_seq: u64,
    /// The roots of the maximal perfect subtrees of leaves [0, first_seq), largest first.
    pub frontier: Vec<Hex>,
    /// When it was opened, RFC 3339.
    pub opened: String,
}

impl Header {
    /// The header of a segment that begins after the leaves of `tree`.
    pub fn new(log_id: &LogId, host: &str, segment: u64, tree: &Tree, opened: String) -> Self {
        Self {
            auditlog: super::FORMAT,
            log_id: HEXLOWER.encode(log_id),
            host: host.to_owned(),
            segment,
            first_seq: tree.size(),
            frontier: tree.frontier().iter().map(|hash| Hex(*hash)).collect(),
            opened,
        }
    }

    /// Reads a first line, given without LF; only the exact form that [`Header::to_line`] writes.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let header: Self = serde_json::from_slice(line).ok()?;
        let again = header.to_line();
        let right = header.auditlog == super::FORMAT && header.tree().is_some();
        (right && again.strip_suffix(b"\n") == Some(line)).then_some(header)
    }

    /// The tree before the segment's first leaf; `None` if frontier and `first_seq` do not fit.
    pub fn tree(&self) -> Option<Tree> {
        Tree::from_frontier(self.first_seq, self.frontier.iter().map(|hash| hash.0).collect())
    }

    /// The line with its LF.
    pub fn to_line(&self) -> Vec<u8> {
        // A struct of strings and integers cannot fail to serialize.
        let text = serde_json::to_string(self).unwrap_or_default();
        let mut line = crate::json::one_line(&text).into_owned().into_bytes();
        line.push(b'\n');
        line
    }
}

/// How a segment's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Plain,
    /// One or more zstd frames.
    Zstd,
    /// One or more gzip members.
    Gzip,
}

/// A segment found on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its first line.
    pub header: Header,
    /// How it is stored.
    pub encoding: Encoding,
}

/// A segment's bytes, decompressed by what the file is, not by its name.
pub struct Contents(Inner);

enum Inner {
    Plain(BufReader<fs::File>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<fs::File>>),
    Gzip(flate2::bufread::GzDecoder<BufReader<fs::File>>),
}

impl Contents {
    /// How the file is stored.
    pub fn encoding(&self) -> Encoding {
        match self.0 {
            Inner::Plain(_) => Encoding::Plain,
            Inner::Zstd(_) => Encoding::Zstd,
            Inner::Gzip(_) => Encoding::Gzip,
        }
    }

    /// Once all is read: whether the file ends with it, so that nothing was appended to the one
    /// compressed frame that a segment is.
    pub fn is_at_end(self) -> io::Result<bool> {
        let mut rest = match self.0 {
            Inner::Plain(_) => return Ok(true),
            Inner::Zstd(decoder) => decoder.finish(),
            Inner::Gzip(decoder) => decoder.into_inner(),
        };
        Ok(rest.fill_buf()?.is_empty())
    }
}

impl Read for Contents {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Plain(file) => file.read(buf),
            Inner::Zstd(decoder) => decoder.read(buf),
            Inner::Gzip(decoder) => decoder.read(buf),
        }
    }
}

/// Opens a segment to be read from its start.
pub fn open(path: &Path) -> io::Result<BufReader<Contents>> {
    let mut file = BufReader::with_capacity(1 << 16, fs::File::open(path)?);
    let inner = match file.fill_buf()? {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Inner::Zstd(zstd::stream::read::Decoder::with_buffer(file)?.single_frame())
        }
        [0x1f, 0x8b, ..] => Inner::Gzip(flate2::bufread::GzDecoder::new(file)),
        _ => Inner::Plain(file),
    };
    Ok(BufReader::with_capacity(1 << 16, Contents(inner)))
}

/// Opens a segment to be read from byte `offset` of its contents on; also says whether it reaches that
/// far.
pub fn open_at(path: &Path, offset: u64) -> io::Result<(bool, BufReader<Contents>)> {
    let mut reader = open(path)?;
    if reader.get_ref().encoding() == Encoding::Plain {
        let mut file = fs::File::open(path)?;
        let reached = file.metadata()?.len().min(offset);
        file.seek(io::SeekFrom::Start(reached))?;
        let plain = Contents(Inner::Plain(BufReader::new(file)));
        return Ok((reached == offset, BufReader::with_capacity(1 << 16, plain)));
    }
    let skipped = io::copy(&mut (&mut reader).take(offset), &mut io::sink())?;
    Ok((skipped == offset, reader))
}

/// The header of the segment at `path`; `None` if the file is something else.
pub fn read_header(path: &Path) -> io::Result<Option<Found>> {
    let mut reader = open(path)?;
    let encoding = reader.get_ref().encoding();
    let mut line = Vec::new();
    match reader.by_ref().take(MAX_HEADER).read_until(b'\n', &mut line) {
        Ok(_) => {}
        // A damaged compressed file is not a segment that can be placed.
        Err(_) if encoding != Encoding::Plain => return Ok(None),
        Err(e) => return Err(e),
    }
    let header = line.strip_suffix(b"\n").and_then(Header::parse);
    Ok(header.map(|header| Found { path: path.into(), header, encoding }))
}

/// All segments in `dir`, of any log, oldest first by what their headers say; other files are left out.
/// Files may be renamed, compressed or deleted meanwhile: the list is one that was true at one moment.
pub fn list(dir: &Path) -> io::Result<Vec<Found>> {
    const TRIES: usize = 100;
    for _ in 1..TRIES {
        if let Some(found) = try_list(dir)? {
            return Ok(found);
        }
    }
    Err(io::Error::other("its files are being renamed all the time"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn header(first: u8) -> Header {
        let mut tree = Tree::default();
        (0..first).for_each(|n| tree.push([n; 32]));
        let opened = "2026-11-21T01:23:45.123456789Z".to_owned();
        Header::new(&[5; 16], "host", u64::from(first), &tree, opened)
    }

    #[test]
    fn a_header_reads_back_and_no_other_form_of_it_does() {
        let line = header(5).to_line();
        let text = String::from_utf8(line).expect("utf-8");
        let text = text.trim_end();
        assert_eq!(Header::parse(text.as_bytes()), Some(header(5)));
        for bad in [
            text.replace(r#""segment":5"#, r#""segment": 5"#),
            text.replace(r#""first_seq":5"#, r#""first_seq":7"#),
            text.replace(r#""host""#, r#""extra":1,"host""#),
            "{}".to_owned(),
        ] {
            assert_eq!(Header::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_list_taken_while_files_are_renamed_holds_each_segment_once() {
        let dir = tempfile::tempdir().expect("dir");
        let at = |name: String| dir.path().join(name);
        for n in 0..20 {
            fs::write(at(format!("a{n}")), header(n).to_line()).expect("write");
        }
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in
                    (0u32..).take_while(|_| !stop.load(std::sync::atomic::Ordering::Relaxed))
                {
                    let (from, to) = if round % 2 == 0 { ("a", "b") } else { ("b", "a") };
                    for n in 0..20 {
                        fs::rename(at(format!("{from}{n}")), at(format!("{to}{n}")))
                            .expect("rename");
                        std::thread::yield_now();
                    }
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
            });
            for _ in 0..200 {
                // A list may be refused under such a storm, but never be wrong.
                let Ok(found) = list(dir.path()) else { continue };
                let numbers: Vec<_> = found.iter().map(|f| f.header.segment).collect();
                assert_eq!(numbers, (0..20).collect::<Vec<_>>());
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
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
