//! What maintenance remembers across restarts: `maintenance.json` in the state directory. Without it nothing is
//! lost but the memory: it is then as if maintenance never ran.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::believed::Believed;
use super::boot::Moment;
use super::forecast::Samples;
use super::named::Named;
use super::survey::Memory;
use crate::fs::{self, Access, Fs, read_small};
use crate::metrics::History;

/// The longest file that is read back.
const MOST: u64 = 1 << 20;
/// The same of what is known of segments.
const MOST_MEMORY: u64 = 64 << 20;

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// How far the time that retention goes by has come.
    pub believed: Option<Believed>,
    /// When the last run began.
    pub began: Option<Moment>,
    /// Which rules the log names.
    pub named: Named,
    /// How many holds were in force when a run last looked.
    #[serde(default)]
    pub holds: usize,
    /// What there is to tell of the runs.
    pub history: History,
    /// How full the disk was.
    pub samples: Samples,
}

/// The files that it is in: `maintenance.json`, and `segments.json` for what only saves time.
pub struct StateFile {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    memory: PathBuf,
}

impl StateFile {
    /// The file in this directory.
    pub fn new(fs: Arc<dyn Fs>, state_dir: &Path) -> Self {
        let path = |name: &str| state_dir.join(name);
        Self { fs, path: path("maintenance.json"), memory: path("segments.json") }
    }

    /// What it holds, with a sentence if that is nothing though there is a file.
    pub fn read(&self) -> (State, Option<String>) {
        match read(&self.path) {
            Ok(state) => (state, None),
            Err(e) => {
                let path = &self.path;
                let said = format!(
                    "{path:?} cannot be used and is written anew, as if maintenance had never run: {e}"
                );
                (State::default(), Some(said))
            }
        }
    }

    /// What is known of segments; without it they are read again.
    pub fn read_memory(&self) -> Memory {
        let read = read_small(&self.memory, MOST_MEMORY).ok().flatten();
        read.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Replaces both.
    ///
    /// # Errors
    /// The disk's, as a sentence.
    pub fn write(&self, state: &State, memory: &Memory) -> Result<(), String> {
        self.replace(&self.path, state)?;
        self.replace(&self.memory, memory)
    }

    fn replace(&self, path: &Path, what: &impl Serialize) -> Result<(), String> {
        let text = serde_json::to_vec(what).map_err(|e| e.to_string())?;
        fs::replace(&*self.fs, path, &text, Access::Shared)
            .map_err(|e| format!("{path:?} could not be replaced: {e}; a restart forgets this run"))
    }
}

fn read(path: &Path) -> io::Result<State> {
    let Some(text) = read_small(path, MOST)? else { return Ok(State::default()) };
    let state: State = serde_json::from_slice(&text)?;
    match state.samples.is_sound() {
        true => Ok(state),
        false => Err(io::Error::other("its samples of the disk are out of order")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Now;
    use crate::fs::Real;
    use crate::maintain::boot::Boot;
    use crate::metrics::Failing;
    use crate::record::{Maintained, Trigger};

    fn file(dir: &tempfile::TempDir) -> StateFile {
        StateFile::new(Arc::new(Real::default()), dir.path())
    }

    fn state() -> State {
        let (now, boot) = (Now { wall_ns: -5, boot_ns: 7 }, Boot("b".into()));
        let mut state = State {
            believed: Some(Believed::next(None, now, &boot)),
            began: Some(boot.moment(now)),
            ..State::default()
        };
        state.samples.add(1, 2, now, &boot);
        state.named.name("r".into(), -5);
        let run = Maintained { trigger: Trigger::Request, uid: Some(0), ..Maintained::default() };
        state.history.last = Some(Box::new(run));
        let text = |text: &str| text.to_owned();
        state.history.failing =
            vec![Failing { task: text("archive"), since: text("s"), error: text("e") }];
        state
    }

    #[test]
    fn it_survives_a_restart() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(file(&dir).read(), (State::default(), None), "nothing is there yet");
        file(&dir).write(&state(), &Memory::default()).expect("written");
        assert_eq!(file(&dir).read(), (state(), None));
    }

    #[test]
    fn a_damaged_one_is_as_good_as_none_and_that_is_said() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("maintenance.json");
        let whole = serde_json::to_string(&state()).expect("json");
        for damaged in
            ["", "{", &whole[..whole.len() / 2], &whole.replace("\"at_ns\":0", "\"at_ns\":\"x\"")]
        {
            std::fs::write(&path, damaged).expect("written");
            let (read, said) = file(&dir).read();
            assert_eq!(read, State::default(), "{damaged}");
            assert!(said.expect("said").contains("as if maintenance had never run"), "{damaged}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_content_panics(text: Vec<u8>) {
            let dir = tempfile::tempdir().expect("a directory");
            std::fs::write(dir.path().join("maintenance.json"), text).expect("written");
            file(&dir).read();
        }
    }
}
