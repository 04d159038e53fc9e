//! Where things are before any file is read: the system's paths, a tree below a root, or a user's own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Config, ConfigError};

/// What a configuration is made from, besides the files.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--root`: the tree that everything is in.
    pub root: Option<PathBuf>,
    /// `--config`: the file, which must then be there.
    pub config: Option<PathBuf>,
    /// The environment.
    pub env: BTreeMap<String, OsString>,
    /// Whether the system's own paths are the default, as they are for root; else the user's.
    pub privileged: bool,
    /// The tree of the system's log, if that is what a user who has no log of their own asks about.
    pub system: Option<PathBuf>,
}

/// A tree of directories.
pub(super) struct Layout {
    /// The root; `/` for the system.
    root: PathBuf,
    /// The socket, where it is not below the root.
    socket: Option<PathBuf>,
}

impl Sources {
    /// The command line's options with the environment and the user id of this process.
    pub fn from_process(root: Option<PathBuf>, config: Option<PathBuf>) -> Self {
        // A name that is not UTF-8 is no name of ours, and stays unknown under its lossy form.
        let env = std::env::vars_os().map(|(k, v)| (k.to_string_lossy().into_owned(), v)).collect();
        let privileged = nix::unistd::geteuid().is_root();
        Self { root, config, env, privileged, system: None }
    }

    /// The main file, whether or not it is there: `--config`, `AUDITLOGD_CONFIG`, or the layout's.
    /// `conf.d` is beside it.
    ///
    /// # Errors
    /// A path that cannot be made absolute, or nowhere to put a user's files.
    pub fn config_file(&self) -> Result<PathBuf, ConfigError> {
        match self.explicit_config() {
            Some(path) => absolute("the configuration file", path),
            None => Ok(self.layout()?.root.join("etc/auditlogd/auditlogd.toml")),
        }
    }

    /// What is in force without any file and variable but those that say where to look.
    ///
    /// # Errors
    /// As for [`Sources::config_file`].
    pub fn defaults(&self) -> Result<Config, ConfigError> {
        Ok(self.layout()?.defaults())
    }

    /// Where verifications keep how far they came. Not where the daemon can write: it must not say by
    /// itself what of its log need not be read again. Who may not write to the system has a place of their own.
    ///
    /// # Errors
    /// As for [`Sources::config_file`].
    pub fn verified_dir(&self) -> Result<PathBuf, ConfigError> {
        let layout = self.layout()?;
        let own = !self.privileged && layout.root == Path::new("/");
        let root = if own { self.users()?.root } else { layout.root };
        Ok(root.join("var/lib/auditlog/verified"))
    }

    /// The file that was asked for.
    pub(super) fn explicit_config(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| self.path_variable("AUDITLOGD_CONFIG"))
    }

    pub(super) fn layout(&self) -> Result<Layout, ConfigError> {
        let root = self.root.clone().or_else(|| self.path_variable("AUDITLOGD_ROOT"));
        match root {
            Some(root) => Ok(Layout { root: absolute("the root directory", root)?, socket: None }),
            None if self.privileged => Ok(Layout { root: "/".into(), socket: None }),
            None => self.users_or_systems(),
        }
    }

    fn users_or_systems(&self) -> Result<Layout, ConfigError> {
        let users = self.users();
        // What the tool itself keeps for a user is also below that root.
        let of_a_daemon = ["etc/auditlogd", "var/lib/auditlogd"];
        let has_own = users
            .as_ref()
            .is_ok_and(|users| of_a_daemon.iter().any(|dir| users.root.join(dir).exists()));
        match &self.system {
            Some(root) if !has_own && root.join("run/auditlogd").exists() => {
                Ok(Layout { root: root.clone(), socket: None })
            }
            _ => users,
        }
    }

    /// As the XDG base directory specification says, which has relative paths ignored.
    fn users(&self) -> Result<Layout, ConfigError> {
        let variable = |name| self.path_variable(name).filter(|path| path.is_absolute());
        let state = variable("XDG_STATE_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
            .ok_or(ConfigError::NoHome)?;
        let root = absolute("the state directory", state.join("auditlogd"))?;
        let socket = variable("XDG_RUNTIME_DIR").map(|dir| dir.join("auditd.sock"));
        let socket = socket.map(|path| absolute("the runtime directory's socket", path));
        Ok(Layout { root, socket: socket.transpose()? })
    }

    /// A path in the environment; an empty one is as good as none.
    fn path_variable(&self, name: &str) -> Option<PathBuf> {
        self.env.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }
}

impl Layout {
    /// Every key's default.
    pub(super) fn defaults(&self) -> Config {
        let below = |path: &str| self.root.join(path);
        Config::with_paths(
            self.socket.clone().unwrap_or_else(|| below("run/auditd.sock")),
            below("var/log/auditlogd"),
            below("var/lib/auditlogd"),
            below("run/auditlogd"),
        )
    }
}

fn absolute(what: &'static str, path: PathBuf) -> Result<PathBuf, ConfigError> {
    if path.to_str().is_none() {
        let source = std::io::Error::other("it is not UTF-8");
        return Err(ConfigError::Path { what, path, source });
    }
    std::path::absolute(&path).map_err(|source| ConfigError::Path { what, path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_a_log_asks_about_the_systems_if_there_is_one() {
        let [home, system] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        let env = BTreeMap::from([("XDG_STATE_HOME".to_owned(), home.path().into())]);
        let tool = Sources { env, system: Some(system.path().into()), ..Sources::default() };
        let socket = || tool.defaults().expect("a place").socket;
        let (own, shared) =
            (home.path().join("auditlogd/run/auditd.sock"), system.path().join("run/auditd.sock"));
        assert_eq!(socket(), own, "no log anywhere");
        std::fs::create_dir_all(system.path().join("run/auditlogd")).expect("made");
        assert_eq!(socket(), shared);
        std::fs::create_dir_all(home.path().join("auditlogd/var/lib/auditlogd")).expect("made");
        assert_eq!(socket(), own);
    }
}
