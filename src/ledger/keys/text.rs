//! Keys as text: in files, in credentials, on paper.

use std::io::{self, Read};

use zeroize::{Zeroize, Zeroizing};

/// More than any file with a key needs.
const MAX_FILE: u64 = 1024;

/// A key as 64 hex digits in either case; blanks between them, as on paper, do not matter, nor does the
/// frame of the sheet that was shown at the first start.
pub fn parse(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    let mut digits =
        text.chars().filter(|c| !c.is_whitespace() && *c != '│').map(|c| c.to_digit(16));
    for byte in key.iter_mut() {
        *byte = u8::try_from(digits.next()?? * 16 + digits.next()??).ok()?;
    }
    digits.next().is_none().then_some(key)
}

/// Reads a key's file; one that is longer than a key can be is cut, and so is no key.
///
/// # Errors
/// What the kernel says, or `InvalidData` where it is not UTF-8.
pub fn read(from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize));
    from.take(MAX_FILE).read_to_end(&mut bytes)?;
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(e) => {
            e.into_bytes().zeroize();
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is not text"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    #[test]
    fn a_key_may_be_written_in_groups_and_in_capitals() {
        let hex = "0123456789abcdef".repeat(4);
        let key = parse(&hex).expect("a key");
        assert_eq!(HEXLOWER.encode(&*key), hex);
        let groups = hex.as_bytes().chunks(8).map(|g| std::str::from_utf8(g).expect("ascii"));
        let groups = groups.collect::<Vec<_>>().join(" \n").to_uppercase();
        assert_eq!(parse(&groups).as_deref(), Some(&*key));
        let framed = format!("│     {}│\n│     {}│\n", &hex[..32], &hex[32..]);
        assert_eq!(parse(&framed).as_deref(), Some(&*key));
    }

    #[test]
    fn anything_else_is_no_key() {
        for text in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(64)]
        {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
