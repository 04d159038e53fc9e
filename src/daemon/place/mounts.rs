//! The mounts that this process sees, proc_pid_mountinfo(5).

use std::io::{self, BufRead};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// Its number.
    pub id: u64,
    /// Which directory of the file system is mounted.
    pub root: String,
    /// Where.
    pub point: PathBuf,
    /// The file system's type: `ext4`, `fuse.sshfs`.
    pub fs_type: String,
    /// What is mounted: a device, a server's name.
    pub source: String,
    /// The options of the mount and of the file system.
    pub options: Vec<String>,
}

impl Mount {
    /// One line; none if it is not as the page says.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let text = |field: &[u8]| String::from_utf8_lossy(&unescape(field)).into_owned();
        let id = text(fields.next()?).parse().ok()?;
        let (_parent, _device) = (fields.next()?, fields.next()?);
        let root = text(fields.next()?);
        let point = PathBuf::from(std::ffi::OsString::from_vec(unescape(fields.next()?)));
        let of_mount = text(fields.next()?);
        let _optional = fields.by_ref().find(|field| *field == b"-")?;
        let (fs_type, source) = (text(fields.next()?), text(fields.next()?));
        let of_file_system = text(fields.next().unwrap_or_default());
        let options = of_mount.split(',').chain(of_file_system.split(','));
        let options = options.filter(|option| !option.is_empty()).map(str::to_owned).collect();
        Some(Self { id, root, point, fs_type, source, options })
    }

    /// Whether it has this option, as it is written.
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|o| o == option)
    }
}

/// Every mount; lines that nobody can read are left out.
///
/// # Errors
/// `lines` cannot be read.
pub fn read(lines: impl BufRead) -> io::Result<Vec<Mount>> {
    let lines = lines.split(b'\n');
    lines.filter_map(|line| line.map(|line| Mount::parse(&line)).transpose()).collect()
}

/// The mount that `path`, which is absolute and without links, is on: the one with this number, or, on a kernel that tells
/// none, the innermost, of which the last one hides the others.
pub fn of<'m>(mounts: &'m [Mount], id: Option<u64>, path: &Path) -> Option<&'m Mount> {
    match id {
        Some(id) => mounts.iter().find(|mount| mount.id == id),
        None => {
            let around = mounts.iter().filter(|mount| path.starts_with(&mount.point));
            around.max_by_key(|mount| mount.point.as_os_str().len())
        }
    }
}

/// Space, tab, LF, `\` and `#` stand there as `\` and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.first_chunk::<3>().filter(|_| *first == b'\\');
        let code =
            octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        let (byte, used) = code.map_or((*first, 1), |code| (code, 4));
        bytes.push(byte);
        rest = &rest[used..];
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINES: &str = "\
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard\n\
nonsense\n\
40 27 0:50 / /var rw - tmpfs tmp\\040fs rw\n\
41 40 0:51 /volumes/a\\134b/_data /var/lib rw,nosuid - nfs4 server:/x rw,vers=4.2\n\
42 41 0:52 / /var/lib rw - fuse.sshfs me@there:/ rw\n";

    fn mounts() -> Vec<Mount> {
        read(LINES.as_bytes()).expect("reads")
    }

    #[test]
    fn a_line_is_read_with_all_its_fields() {
        let mounts = mounts();
        assert_eq!(mounts.len(), 4);
        let want = Mount {
            id: 41,
            root: "/volumes/a\\b/_data".into(),
            point: "/var/lib".into(),
            fs_type: "nfs4".into(),
            source: "server:/x".into(),
            options: ["rw", "nosuid", "rw", "vers=4.2"].map(str::to_owned).into(),
        };
        assert_eq!(mounts[2], want);
        assert_eq!(mounts[1].source, "tmp fs");
        assert!(mounts[0].has("discard") && !mounts[0].has("disc"));
    }

    #[test]
    fn the_number_decides_and_else_the_innermost_and_last() {
        let mounts = mounts();
        let id = |number, path: &str| of(&mounts, number, Path::new(path)).map(|m| m.id);
        assert_eq!(id(Some(41), "/var/lib/x"), Some(41));
        assert_eq!(id(Some(99), "/var/lib/x"), None);
        assert_eq!(id(None, "/var/lib/x"), Some(42));
        assert_eq!(id(None, "/var/library"), Some(40));
        assert_eq!(id(None, "/home"), Some(27));
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _none_or_some = Mount::parse(&line);
        }

        #[test]
        fn what_was_escaped_comes_back(name in "[ -~\t\n]{0,40}") {
            let escape = |byte: u8| match byte {
                b' ' | b'\t' | b'\n' | b'\\' | b'#' => format!("\\{byte:03o}"),
                _ => char::from(byte).to_string(),
            };
            let escaped: String = name.bytes().map(escape).collect();
            prop_assert_eq!(unescape(escaped.as_bytes()), name.into_bytes());
        }
    }
}
