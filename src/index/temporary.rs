//! Where SQLite puts what does not fit into its memory: large sorts, a database that is written anew.

use std::path::Path;

use rusqlite::Connection;

use super::IndexError;

/// Has all connections of this process keep their temporary files in `dir`, and not where everybody may write. They
/// have no name there but for the moment in which they are made.
///
/// # Errors
/// SQLite cannot write there.
pub fn keep_temporary_files_in(dir: &Path) -> Result<(), IndexError> {
    let set = || {
        let db = Connection::open_in_memory()?;
        db.pragma_update(None, "temp_store_directory", dir.to_string_lossy())
    };
    set().map_err(|e| IndexError::sqlite(dir, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_temporary_table_is_in_that_directory() {
        let dir = tempfile::tempdir().expect("dir");
        keep_temporary_files_in(dir.path()).expect("is taken");
        let db = Connection::open_in_memory().expect("opens");
        db.execute_batch(
            "PRAGMA temp.cache_size = 8; CREATE TEMP TABLE t AS
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
             SELECT i, hex(zeroblob(200)) AS x FROM n",
        )
        .expect("is made");
        let inside = std::fs::read_dir("/proc/self/fd")
            .expect("reads")
            .flatten()
            .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|link| link.starts_with(dir.path())));
        assert!(inside, "a temporary file is open in {:?}", dir.path());
    }
}
