//! Inputs: those to begin with as they are, and then what becomes of them by small changes.

use fastrand::Rng;

/// The longest input, bytes.
const MOST: usize = 4096;

/// What makes a difference to parsers.
const TOKENS: [&[u8]; 44] = [
    b"\n",
    b"\r\n",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b" ",
    b"\0",
    b"\xff",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\\u0000",
    b"\\ud800",
    b"\\uDC00",
    b"\xf4\x8f\xbf\xbf",
    b"null",
    b"true",
    b"-0",
    b"1e400",
    b"1E+2",
    b"0.0",
    b"9223372036854775808",
    b"{\"auditlog\":{\"ack\":true}}\n",
    b"{}\n",
    b"nonsense\n",
    b"\"event_type\":\"a.b\"",
    b"\"event_type\":\"auditlogd.x\"",
    b"\"event_id\":\"1\"",
    b"\"timestamp\":1e18",
    b"*",
    b"%",
    b"_",
    b"'",
    b"auth.",
    b"= ",
    b"[[retention]]\n",
    b"${HOME}",
    b"2026-11-21T00:00:00Z",
    b"yesterday",
    b"1h30m",
];

/// Makes inputs; the same ones from the same seed.
pub struct Generator {
    rng: Rng,
    known: Vec<Vec<u8>>,
}

impl Generator {
    pub fn new(seed: u64, known: Vec<Vec<u8>>) -> Self {
        Self { rng: Rng::with_seed(seed), known }
    }

    /// Input number `n`.
    pub fn next_input(&mut self, n: u64) -> Vec<u8> {
        if let Some(first) = self.known.get(n as usize) {
            return first.clone();
        }
        let mut input = self.any_known();
        for _ in 0..self.rng.usize(1..8) {
            self.change(&mut input);
        }
        input.truncate(MOST);
        input
    }

    fn any_known(&mut self) -> Vec<u8> {
        match self.rng.usize(0..=self.known.len()) {
            at if at < self.known.len() => self.known[at].clone(),
            _ => (0..self.rng.usize(0..64)).map(|_| self.rng.u8(..)).collect(),
        }
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.rng.usize(0..=input.len());
        let end = self.rng.usize(at..=input.len().min(at + 32));
        match self.rng.u8(0..8) {
            0 | 1 => {
                let token = TOKENS[self.rng.usize(..TOKENS.len())];
                input.splice(at..at, token.iter().copied());
            }
            2 => drop(input.drain(at..end)),
            3 => input.splice(at..at, input[at..end].to_vec()).for_each(drop),
            4 => {
                let other = self.any_known();
                let from = self.rng.usize(0..=other.len());
                input.splice(at..end, other[from..].iter().copied());
            }
            5 => input.truncate(at),
            6 if at < input.len() => input[at] ^= 1 << self.rng.u8(0..8),
            _ => input.insert(at, self.rng.u8(..)),
        }
    }
}
