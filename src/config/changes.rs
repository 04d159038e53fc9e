//! What a reload changes.

use super::key::{KEYS, Key};
use super::{Config, Ingest, Space};

/// The difference between the configuration in force and the one that was just read. Keys are named
/// with their table: `ledger.epoch_seconds`.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// Keys that a reload puts in force.
    pub applied: Vec<String>,
    /// Keys that keep their old value until a restart.
    pub restart: Vec<String>,
    /// The configuration in force after the reload: the new one, with the old values of `restart`.
    pub in_force: Config,
}

impl Changes {
    /// Leaves `[[anchor]]` as it was in `old` until a restart.
    pub fn postpone_anchors(&mut self, old: &Config) {
        self.in_force.anchors = old.anchors.clone();
        self.postpone("anchor");
    }

    /// The same for `[[archive]]`.
    pub fn postpone_archives(&mut self, old: &Config) {
        self.in_force.archives = old.archives.clone();
        self.postpone("archive");
    }

    fn postpone(&mut self, name: &str) {
        self.applied.retain(|applied| applied != name);
        self.restart.push(name.into());
    }
}

/// Compares two configurations key by key.
pub fn changes(old: &Config, new: &Config) -> Changes {
    let (mut before, mut after) = (old.clone(), new.clone());
    let differs = |key: &&Key| key.show(&mut before) != key.show(&mut after);
    let (restart, applied): (Vec<_>, Vec<_>) =
        KEYS.iter().filter(differs).partition(|key| key.restart);
    let paths = |keys: Vec<&Key>| keys.into_iter().map(|key| key.path()).collect();
    let mut applied: Vec<String> = paths(applied);
    let lists = [
        ("retention", old.retention != new.retention),
        ("archive", old.archives != new.archives),
        ("anchor", old.anchors != new.anchors),
    ];
    applied.extend(lists.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name.into()));
    Changes { applied, restart: paths(restart), in_force: reloaded(old, new) }
}

/// The old configuration with what a reload can change.
fn reloaded(old: &Config, new: &Config) -> Config {
    Config {
        log_level: new.log_level,
        stop_seconds: new.stop_seconds,
        quota: new.quota.clone(),
        fields: new.fields.clone(),
        ledger: new.ledger.clone(),
        space: Space { reserve_bytes: old.space.reserve_bytes, ..new.space.clone() },
        maintenance: new.maintenance.clone(),
        retention: new.retention.clone(),
        archives: new.archives.clone(),
        anchors: new.anchors.clone(),
        ingest: Ingest {
            queue_bytes: old.ingest.queue_bytes,
            threads: old.ingest.threads,
            ..new.ingest.clone()
        },
        ..old.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::Kind;
    use super::super::layout::Sources;
    use super::super::value::Given;
    use super::*;

    fn defaults() -> Config {
        let sources = Sources { root: Some("/r".into()), ..Sources::default() };
        sources.layout().expect("layout").defaults()
    }

    /// A value of the key's kind that is not its default.
    fn other(key: &Key) -> Given {
        let text = match key.kind {
            Kind::Path(_) | Kind::Pointers(_) | Kind::FailureIfPresent => "/elsewhere".into(),
            Kind::Mode(_) => "0600".into(),
            Kind::Group(_) => "adm".into(),
            Kind::Level(_) => "trace".into(),
            Kind::Flag(_) => "false".into(),
            Kind::Number(_, least, _) | Kind::OrNever(_, least, _) => (least + 1).to_string(),
            Kind::Uids(_) => "7,8".into(),
            Kind::Columns(_) => "actor".into(),
            Kind::Compression(_) => "gzip".into(),
            Kind::Overflow(_) => "stderr".into(),
            Kind::Preset => "ecs".into(),
        };
        Given::Variable(text)
    }

    #[test]
    fn each_key_alone_is_found_and_either_in_force_or_left_as_it_was() {
        for key in KEYS {
            let (old, mut new) = (defaults(), defaults());
            key.apply(&mut new, &other(key)).expect(key.name);
            let found = changes(&old, &new);
            let (mut in_force, mut kept) = (found.in_force.clone(), old.clone());
            assert_eq!(
                key.show(&mut in_force) == key.show(&mut kept),
                key.restart,
                "{}",
                key.path()
            );
            let named = if key.restart { &found.restart } else { &found.applied };
            assert!(named.contains(&key.path()), "{}: {found:?}", key.path());
            assert_eq!(found.in_force == old, key.restart, "{}", key.path());
        }
    }

    #[test]
    fn nothing_is_reported_where_nothing_changed() {
        let found = changes(&defaults(), &defaults());
        assert!(found.applied.is_empty() && found.restart.is_empty());
        assert_eq!(found.in_force, defaults());
    }
}
