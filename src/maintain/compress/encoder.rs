//! The compressors and their levels.

use std::io::{self, Write};

use crate::config::Compression;

/// zstd's level. Up to 15 none is smaller, and all are slower: docs/performance.md, "Compression", says why.
pub const ZSTD_LEVEL: i32 = 1;
/// gzip's level: the last one that is worth its time (same place).
pub const GZIP_LEVEL: u32 = 6;

/// Something that compresses.
pub(super) trait Encode: Write {
    /// Writes the end.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

impl<W: Write> Encode for zstd::Encoder<'_, W> {
    fn finish(self: Box<Self>) -> io::Result<()> {
        zstd::Encoder::finish(*self).map(drop)
    }
}

impl<W: Write> Encode for flate2::write::GzEncoder<W> {
    fn finish(self: Box<Self>) -> io::Result<()> {
        flate2::write::GzEncoder::finish(*self).map(drop)
    }
}

/// Compresses `len` bytes into one zstd frame with a checksum, or one gzip member.
pub(super) fn new<'a>(
    to: &'a mut dyn Write,
    form: Compression,
    len: u64,
) -> io::Result<Box<dyn Encode + 'a>> {
    if form == Compression::Gzip {
        let level = flate2::Compression::new(GZIP_LEVEL);
        return Ok(Box::new(flate2::write::GzEncoder::new(to, level)));
    }
    let mut encoder = zstd::Encoder::new(to, ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(len))?;
    Ok(Box::new(encoder))
}
