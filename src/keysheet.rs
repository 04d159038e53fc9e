//! A sheet for keeping: the keys of a new log as text and as QR codes, in a frame.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use zeroize::Zeroizing;

/// Columns inside the frame.
const WIDTH: usize = 74;
/// Light modules in white on black, whatever the terminal's own colours are.
const COLORS: (&str, &str) = ("\u{1b}[97;40m", "\u{1b}[0m");

/// What stands on the sheet.
pub struct Sheet<'a> {
    /// 32 hex digits.
    pub log_id: &'a str,
    /// Whose log it is.
    pub host: &'a str,
    /// When the log was created.
    pub created: &'a str,
    /// 64 hex digits.
    pub genesis_pub: &'a str,
    /// 64 hex digits; none where it came from elsewhere.
    pub auditor_key: Option<&'a str>,
    /// Whether escapes for colours may be written.
    pub color: bool,
}

impl Sheet<'_> {
    /// The framed text, each line ended by LF.
    pub fn draw(&self) -> Zeroizing<String> {
        let mut frame = Frame::new("KEEP THIS: the keys of a new audit log", self.color);
        frame.text(&format!("log      {}", self.log_id));
        frame.text(&format!("host     {}", self.host));
        frame.text(&format!("created  {}", self.created));
        frame.text("");
        frame.text("GENESIS KEY, public. It is what the log is verified against, so whoever");
        frame.text("verifies needs it from elsewhere than this host: note it in the inventory.");
        frame.text("  auditlog verify --key 'KEY'    (blanks between its digits do not matter)");
        frame.key(self.genesis_pub);
        frame.text("");
        match self.auditor_key {
            Some(key) => {
                frame.text(
                    "AUDITOR KEY, SECRET. It proves every single line, also those that no seal",
                );
                frame.text(
                    "covers yet; who steals it can forge those. Keep it offline, in a safe or a",
                );
                frame.text("password store, then take it off this host:");
                frame.text("  auditlog keys export --auditor FILE");
                frame.key(key);
            }
            None => {
                frame
                    .text("AUDITOR KEY, secret: it came with a systemd credential and is not kept");
                frame.text("in the state directory. Remove the credential from this host now.");
            }
        }
        frame.end()
    }
}

/// 64 hex digits in groups of eight, four groups a line.
pub fn groups(hex: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(2 * hex.len()));
    for (i, digit) in hex.chars().enumerate() {
        match i {
            0 => {}
            _ if i % 32 == 0 => out.push('\n'),
            _ if i % 8 == 0 => out.push_str("  "),
            _ => {}
        }
        out.push(digit);
    }
    out
}

/// A QR code of half blocks, to be shown light on dark; empty for a text that is too long for one.
pub fn qr(text: &str) -> Zeroizing<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M);
    Zeroizing::new(code.map_or_else(
        |_too_long| String::new(),
        |code| {
            let mut image = code.render::<Dense1x2>();
            image.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build()
        },
    ))
}

/// The lines of a QR code, in its colours where those may be written.
pub fn qr_lines(text: &str, color: bool) -> Vec<Zeroizing<String>> {
    let (on, off) = if color { COLORS } else { ("", "") };
    qr(text).lines().map(|line| Zeroizing::new(format!("{on}{line}{off}"))).collect()
}

/// Lines between two bars. Room for everything is made at once, so that no copy of a secret is left
/// behind by growing.
struct Frame {
    out: Zeroizing<String>,
    color: bool,
}

impl Frame {
    fn new(title: &str, color: bool) -> Self {
        let mut out = Zeroizing::new(String::with_capacity(32 << 10));
        let bar = "─".repeat(WIDTH - title.chars().count() - 1);
        out.push_str(&format!("┌─ {title} {bar}┐\n"));
        Self { out, color }
    }

    fn text(&mut self, line: &str) {
        self.line(line, line.chars().count());
    }

    fn key(&mut self, hex: &str) {
        for line in groups(hex).lines() {
            self.text(&Zeroizing::new(format!("    {line}")));
        }
        for line in qr_lines(hex, self.color) {
            let escapes = if self.color { COLORS.0.len() + COLORS.1.len() } else { 0 };
            self.line(&line, line.chars().count() - escapes);
        }
    }

    fn line(&mut self, line: &str, width: usize) {
        self.out.push_str("│ ");
        self.out.push_str(line);
        self.out.extend(std::iter::repeat_n(' ', WIDTH.saturating_sub(width)));
        self.out.push_str(" │\n");
    }

    fn end(mut self) -> Zeroizing<String> {
        self.out.push_str(&format!("└{}┘\n", "─".repeat(WIDTH + 2)));
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(auditor_key: Option<&str>, color: bool) -> String {
        let genesis = "ab".repeat(32);
        let sheet = Sheet {
            log_id: "0f",
            host: "web1",
            created: "today",
            genesis_pub: &genesis,
            auditor_key,
            color,
        };
        sheet.draw().to_string()
    }

    #[test]
    fn the_frame_is_straight() {
        for text in [sheet(None, false), sheet(Some(&"cd".repeat(32)), false)] {
            let wrong = text.lines().find(|line| line.chars().count() != WIDTH + 4);
            assert_eq!(wrong, None, "{text}");
        }
        let plain = sheet(Some(&"cd".repeat(32)), true).replace(COLORS.0, "").replace(COLORS.1, "");
        assert_eq!(plain, sheet(Some(&"cd".repeat(32)), false));
    }

    #[test]
    fn both_keys_stand_there_in_groups() {
        let text = sheet(Some(&"0123456789abcdef".repeat(4)), false);
        assert_eq!(text.matches("01234567  89abcdef  01234567  89abcdef").count(), 2, "{text}");
        assert_eq!(text.matches("abababab  abababab  abababab  abababab").count(), 2, "{text}");
    }

    /// Reads the half blocks as a camera would see them: full and half blocks are light.
    fn scan(code: &str) -> String {
        let rows: Vec<Vec<char>> = code.lines().map(|line| line.chars().collect()).collect();
        let light = |x: usize, y: usize| match rows[y / 2][x] {
            '█' => true,
            '▀' => y.is_multiple_of(2),
            '▄' => !y.is_multiple_of(2),
            _ => false,
        };
        const PIXELS: usize = 4;
        let (width, height) = (rows[0].len() * PIXELS, rows.len() * 2 * PIXELS);
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
            if light(x / PIXELS, y / PIXELS) { 255 } else { 0 }
        });
        let grids = image.detect_grids();
        grids.first().expect("a code").decode().expect("decodes").1
    }

    #[test]
    fn a_camera_reads_the_key() {
        let key = "0123456789abcdef".repeat(4);
        assert_eq!(scan(&qr(&key)), key);
    }
}
