//! What a power failure leaves of a write that was not synced.

/// Whether `there` may be such a rest of `wanted`: its beginning, with zeros where a block never reached the disk though
/// the file had its new length already, as on file systems that keep length and data apart.
pub(super) fn is_torn(there: &[u8], wanted: &[u8]) -> bool {
    let left = |(there, wanted): (&u8, &u8)| there == wanted || *there == 0;
    there.len() <= wanted.len() && there.iter().zip(wanted).all(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_beginning_with_zeros_is_torn() {
        for there in [&b""[..], b"ab", b"abcd", b"a\0", b"\0\0\0d", b"\0\0\0\0"] {
            assert!(is_torn(there, b"abcd"), "{there:?}");
        }
        for there in [&b"x"[..], b"bcd", b"abcx", b"abcde", b"\0\0\0\0\0"] {
            assert!(!is_torn(there, b"abcd"), "{there:?}");
        }
    }
}
