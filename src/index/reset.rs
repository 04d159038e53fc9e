//! Getting rid of what stands where the index should be, without destroying anything that is not it.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::{IndexError, Options, schema};

/// Empties the index of this log, or renames a file that is something else. Returns its new name.
pub(super) fn clear(
    path: &Path,
    log_id: &str,
    options: &Options,
) -> Result<Option<PathBuf>, IndexError> {
    match content(path)? {
        Content::Nothing => Ok(None),
        Content::Foreign => set_aside(path).map(Some),
        Content::Index => match empty(path, log_id, options) {
            Err(IndexError::Corrupt { .. } | IndexError::OtherLog { .. }) => {
                set_aside(path).map(Some)
            }
            emptied => emptied.map(|()| None),
        },
    }
}

/// The name of a file that SQLite keeps beside the database.
pub(super) fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What the file's header says it is.
enum Content {
    Nothing,
    Index,
    Foreign,
}

/// Looks at the file itself, because SQLite may be unable to open it. An index has its application id in
/// the header from its first transaction on, which is not written ahead.
fn content(path: &Path) -> Result<Content, IndexError> {
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_file() => return Ok(Content::Foreign),
        _ => {}
    }
    let mut header = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(100).read_to_end(&mut header));
    match read {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Content::Nothing),
        Err(e) => return Err(IndexError::io(path, &e)),
        Ok(0) => return Ok(Content::Nothing),
        Ok(_) => {}
    }
    let ours = schema::APPLICATION_ID.to_be_bytes();
    let magic = header.starts_with(schema::MAGIC);
    Ok(if magic && header.get(68..72) == Some(&ours) { Content::Index } else { Content::Foreign })
}

/// Turns the database into an empty one, whatever state its pages are in.
fn empty(path: &Path, log_id: &str, options: &Options) -> Result<(), IndexError> {
    // Only what reads no page, for the pages may be damaged.
    let open = || {
        let db = Connection::open(path)?;
        db.busy_timeout(options.busy_timeout)?;
        Ok(db)
    };
    let db = open().map_err(|e| IndexError::sqlite(path, e))?;
    if let Ok(Some(found)) = schema::log_id(&db)
        && found != log_id
    {
        let expected = log_id.to_owned();
        return Err(IndexError::OtherLog { path: path.into(), found, expected });
    }
    let reset = || {
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)?;
        schema::let_space_be_given_back(&db)?;
        let emptied = db.execute_batch("VACUUM");
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false)?;
        emptied?;
        schema::create(&db, log_id)
    };
    reset().map_err(|e| IndexError::sqlite(path, e))
}

/// Renames the file and its companions, which belong to it and not to the index that will be made.
fn set_aside(path: &Path) -> Result<PathBuf, IndexError> {
    let free = |n: &u32| {
        let name = companion(path, &format!(".damaged-{n}"));
        fs::symlink_metadata(&name).is_err().then_some(name)
    };
    let aside = (1..=9999).find_map(|n| free(&n)).ok_or_else(|| IndexError::Io {
        path: path.into(),
        detail: "too many damaged files beside it; delete some".into(),
    })?;
    for suffix in ["-wal", "-shm", "-journal", ""] {
        match fs::rename(companion(path, suffix), companion(&aside, suffix)) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(IndexError::io(path, &e)),
            _ => {}
        }
    }
    Ok(aside)
}
