//! Whoever kills the daemon leaves a sound index, whatever it was about to do.

use std::fs;

use super::*;

const PAGE: usize = 4096;

/// An index whose daemon was killed in a checkpoint: so much of the file is there, of how much it was before the checkpoint
/// and would have been after it. The first page is written first, and says how many pages there are to be.
fn killed_in_a_checkpoint(left: impl Fn(usize, usize) -> usize) -> Place {
    let place = Place::with_events(1000);
    let wal = place.path.with_file_name("audit.db-wal");
    let mut writer = place.writer();
    put(&mut writer, 1000..5000, 5000);
    let before = fs::read(&place.path).unwrap().len();
    let waiting = fs::read(&wal).unwrap();
    writer.checkpoint().expect("copies");
    drop(writer);
    let after = fs::read(&place.path).unwrap();
    assert!(before + 2 * PAGE < after.len(), "it became larger");
    fs::write(&place.path, &after[..left(before, after.len()) / PAGE * PAGE]).unwrap();
    fs::write(&wal, waiting).unwrap();
    fs::remove_file(place.path.with_file_name("audit.db-shm")).unwrap();
    place
}

#[test]
fn a_kill_in_a_checkpoint_is_no_damage() {
    for part in [0, 1, 2, 3] {
        let place = killed_in_a_checkpoint(|before, after| before + (after - before) / 4 * part);
        let mut writer = place.writer();
        writer.look().unwrap_or_else(|e| panic!("{part} quarters were copied: {e}"));
        assert_eq!(writer.indexed().expect("reads"), 5000);
        let state = writer.checkpoint().expect("copies the rest");
        assert_eq!(state.pages, state.checkpointed);
        writer.look().expect("all is there");
        put(&mut writer, 5000..5010, 5010);
        writer.close().expect("closes");
        assert_eq!(all(&place.reader()).len(), 5010);
        let sound: String = place
            .other()
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .expect("checks");
        assert_eq!(sound, "ok");
    }
}

#[test]
fn pages_that_the_write_ahead_log_does_not_have_are_missed() {
    let place = killed_in_a_checkpoint(|before, _| before / 2);
    let error = place.writer().look().expect_err("half of what was there before is gone");
    assert!(matches!(error, IndexError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("cut off"), "{error}");
}
