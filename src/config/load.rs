//! Putting the configuration together, one layer on the other.

use std::io;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Origin, did_you_mean};
use super::file::{self, Assignment};
use super::key::{KEYS, Key, Kind};
use super::layout::Sources;
use super::value::{Given, MAX_SOCKET_PATH};
use super::{Config, Maintenance, anchor, archive, retention};

/// Variables that start like ours and are no keys: they say where to look.
const NOT_KEYS: [&str; 2] = ["AUDITLOGD_ROOT", "AUDITLOGD_CONFIG"];

/// Reads every layer and checks the whole. A main file that nobody asked for by name may be missing.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let mut given = Vec::new();
    let (mut rules, mut archives, mut anchors) = (Vec::new(), Vec::new(), Vec::new());
    for path in files(sources)? {
        let text = std::fs::read_to_string(&path)
            .map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        let variable = |name: &str| sources.env.get(name)?.to_str().map(String::from);
        let found = file::read(&path, &text, &variable)?;
        given.extend(found.assignments);
        rules.extend(found.rules);
        archives.extend(found.archives);
        anchors.extend(found.anchors);
    }
    given.extend(variables(sources)?);

    let (places, retention): (Vec<_>, Vec<_>) = rules.into_iter().unzip();
    let mut config = Config { retention, archives, anchors, ..sources.layout()?.defaults() };
    // A preset sets all of [fields], so it comes before the keys that change parts of it, whichever
    // layer each is from.
    let (presets, others): (Vec<_>, Vec<_>) =
        given.into_iter().partition(|assignment| matches!(assignment.key.kind, Kind::Preset));
    for Assignment { key, given, origin } in presets.into_iter().chain(others) {
        key.apply(&mut config, &given).map_err(|problem| ConfigError::Value {
            origin,
            key: key.path(),
            problem,
        })?;
    }
    check_together(&config, &places)?;
    Ok(config)
}

/// The main file, where there is one, and then those of `conf.d`.
fn files(sources: &Sources) -> Result<Vec<PathBuf>, ConfigError> {
    let main = sources.config_file()?;
    let conf_d = main.with_file_name("conf.d");
    let mut files = match main.try_exists() {
        Ok(false) if sources.explicit_config().is_none() => vec![],
        _ => vec![main],
    };
    match drop_ins(&conf_d) {
        Ok(more) => files.extend(more),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(ConfigError::Read { path: conf_d, source }),
    }
    Ok(files)
}

/// `*.toml`, sorted by name; as for a shell, that leaves out hidden files.
fn drop_ins(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.ends_with(b".toml") && !bytes.starts_with(b".") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names.into_iter().map(|name| dir.join(name)).collect())
}

/// The `AUDITLOGD_…` variables.
fn variables(sources: &Sources) -> Result<Vec<Assignment>, ConfigError> {
    let mut found = Vec::new();
    for (name, value) in &sources.env {
        let Some(short) = name.strip_prefix("AUDITLOGD_") else { continue };
        if NOT_KEYS.contains(&name.as_str()) {
            continue;
        }
        let origin = Origin::Variable(name.clone());
        let Some(key) = KEYS.iter().find(|key| key.variable() == *name) else {
            return Err(unknown_variable(name, short));
        };
        let Some(value) = value.to_str() else {
            let problem = "must be UTF-8".to_string();
            return Err(ConfigError::Value { origin, key: key.path(), problem });
        };
        found.push(Assignment { key, given: Given::Variable(value.to_string()), origin });
    }
    Ok(found)
}

fn unknown_variable(name: &str, short: &str) -> ConfigError {
    let names: Vec<String> = KEYS.iter().map(Key::variable).collect();
    // Compared without what they all start with, which would make any two alike.
    let all = names.iter().map(String::as_str).chain(NOT_KEYS);
    let hint = did_you_mean(short, all.filter_map(|name| name.strip_prefix("AUDITLOGD_")))
        .replacen('`', "`AUDITLOGD_", 1);
    ConfigError::UnknownVariable { name: name.to_string(), hint }
}

/// What no key can be blamed for alone.
fn check_together(config: &Config, rules: &[Origin]) -> Result<(), ConfigError> {
    for (what, key, path) in [
        ("socket", "socket", config.socket.clone()),
        ("control socket", "run_dir", config.control_socket()),
    ] {
        if path.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(ConfigError::SocketPath { what, key, path });
        }
    }
    let own = [config.log_dir.as_path(), &config.state_dir];
    anchor::check_together(&config.anchors, own).map_err(ConfigError::Tables)?;
    archive::check_together(&config.archives, own).map_err(ConfigError::Tables)?;
    retention::check_together(&config.retention).map_err(|(at, problem)| match rules.get(at) {
        Some(origin) => {
            ConfigError::Value { origin: origin.clone(), key: "[[retention]]".into(), problem }
        }
        None => ConfigError::Tables(problem),
    })?;
    let Maintenance { keep_days, min_keep_days, .. } = config.maintenance;
    if min_keep_days > keep_days {
        return Err(ConfigError::Tables(format!(
            "in [maintenance] `min_keep_days` is {min_keep_days}, but `keep_days` only {keep_days}; it says how much \
             shorter events may be kept when space is low: give fewer days, or 0"
        )));
    }
    config.field_map()?;
    Ok(())
}
