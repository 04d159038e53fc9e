//! What the disk has left, and what the daemon uses of it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::fs::space::space;

/// Directories below the daemon's that are counted too; `.maintenance` is one deep.
const DEEPEST: u32 = 2;

/// Bytes that are free for the daemon on the file system of `dir`.
pub fn free(dir: &Path) -> io::Result<u64> {
    Ok(space(dir)?.free)
}

/// Bytes that the files in these directories take of the file system that the first one is on. What goes away
/// while it is counted does not count.
pub fn used(dirs: &[&Path]) -> u64 {
    let Some(device) = dirs.first().and_then(|dir| std::fs::metadata(dir).ok()).map(|at| at.dev())
    else {
        return 0;
    };
    dirs.iter().map(|dir| used_below(dir, device, DEEPEST)).sum()
}

fn used_below(dir: &Path, device: u64, deepest: u32) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .filter(|(_, meta)| meta.dev() == device)
        .map(|(path, meta)| match meta.is_dir() {
            true if deepest > 0 => used_below(&path, device, deepest - 1),
            // In units of 512 bytes, whatever the file system's blocks are (stat(2)).
            _ => meta.blocks() * 512,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_count_with_what_they_take_and_directories_with_what_is_in_them() {
        let dir = tempfile::tempdir().expect("a directory");
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::create_dir_all(a.join(".maintenance")).expect("created");
        std::fs::create_dir(&b).expect("created");
        let before = used(&[&a, &b]);
        for file in [a.join("x"), a.join(".maintenance/y"), b.join("z")] {
            std::fs::write(file, vec![1; 100_000]).expect("written");
        }
        let more = used(&[&a, &b]) - before;
        assert!((300_000..400_000).contains(&more), "{more}");
        assert_eq!(used(&[]), 0);
        assert_eq!(used(&[&dir.path().join("none")]), 0);
    }

    #[test]
    fn what_is_free_can_be_told_of_what_is_there() {
        assert!(free(Path::new("/")).is_ok());
        assert!(free(Path::new("/no/such/directory")).is_err());
    }
}
