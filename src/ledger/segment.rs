//! Segments: the files that hold the lines, each with a header that says where it belongs
//! (docs/ledger-format.md, "Segments").

mod dir;
mod header;
mod newest;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

pub use dir::{broken, list, list_of, open_listed, reopen};
pub use header::{Header, MAX_HEADER};
pub use newest::NewestFirst;

use crate::fs::open_regular;

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

impl Encoding {
    /// All of them.
    pub const ALL: [Self; 3] = [Encoding::Plain, Encoding::Zstd, Encoding::Gzip];

    /// What is added to a segment's name when it is stored like this. Only for people: what a file is, its first
    /// bytes say.
    pub fn ending(self) -> &'static str {
        match self {
            Encoding::Plain => "",
            Encoding::Zstd => ".zst",
            Encoding::Gzip => ".gz",
        }
    }

    /// What a file that begins with these bytes is.
    fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Encoding::Zstd,
            [0x1f, 0x8b, ..] => Encoding::Gzip,
            _ => Encoding::Plain,
        }
    }
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

/// A segment's contents from their start.
pub fn contents(mut file: fs::File) -> io::Result<BufReader<Contents>> {
    file.rewind()?;
    let mut file = BufReader::with_capacity(1 << 16, file);
    let inner = match Encoding::of(file.fill_buf()?) {
        Encoding::Zstd => {
            Inner::Zstd(zstd::stream::read::Decoder::with_buffer(file)?.single_frame())
        }
        Encoding::Gzip => Inner::Gzip(flate2::bufread::GzDecoder::new(file)),
        Encoding::Plain => Inner::Plain(file),
    };
    Ok(BufReader::with_capacity(1 << 16, Contents(inner)))
}

/// A segment's contents from byte `offset` on; also says whether they reach that far.
pub fn contents_at(mut file: fs::File, offset: u64) -> io::Result<(bool, BufReader<Contents>)> {
    let mut reader = contents(file.try_clone()?)?;
    if reader.get_ref().encoding() == Encoding::Plain {
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
    header_of(&open_regular(path)?, path)
}

/// The header of the segment that was opened at `path`.
fn header_of(file: &fs::File, path: &Path) -> io::Result<Option<Found>> {
    let mut reader = contents(file.try_clone()?)?;
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
