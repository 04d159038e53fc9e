//! Hashes, macs and ids as the format writes them: lowercase hex of a fixed length.

use data_encoding::HEXLOWER;

/// The bytes of such a text; `None` unless it has exactly two lowercase digits for each of `N` bytes.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}
