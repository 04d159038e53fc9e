//! What it means for the log where its directories are. Silent about a disk of the host's own with a file system that
//! keeps its word: ext4, xfs.

use std::path::PathBuf;

use super::mounts::Mount;
use crate::record::{StorageProblem, Weakness};

/// What is known about the place.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The daemon is in a container of one application, whose own files go with it.
    pub container: bool,
    /// Libraries that were loaded before all others, as the environment and `/etc/ld.so.preload` name them.
    pub preloaded: String,
    /// Where segments are.
    pub log: Place,
    /// Where keys are.
    pub state: Place,
}

/// A directory.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// As the configuration has it.
    pub path: PathBuf,
    /// What it is on; none if that could not be told.
    pub mount: Option<Mount>,
    /// Files in it are overwritten where they are, although the file system does not do so otherwise (`chattr +C`).
    pub no_copy_on_write: bool,
}

/// Longer than any path that people choose.
const SHOWN: usize = 200;

/// In memory.
const MEMORY: [&str; 2] = ["tmpfs", "ramfs"];
/// One layer over others; the writable one is rarely meant to stay.
const LAYERED: [&str; 6] =
    ["overlay", "overlayfs", "aufs", "unionfs", "fuse.fuse-overlayfs", "fuse.unionfs-fuse"];
/// Served by another machine, or by the host of a virtual one.
const SERVED: [&str; 21] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "beegfs",
    "orangefs",
    "coda",
    "ncpfs",
    "9p",
    "virtiofs",
    "vboxsf",
    "prl_fs",
    "vmhgfs",
    "hostfs",
    "fakeowner",
    "grpcfuse",
];
/// Each change goes to a new place on the disk.
const COPY_ON_WRITE: [&str; 8] =
    ["btrfs", "zfs", "bcachefs", "f2fs", "nilfs2", "ubifs", "jffs2", "yaffs2"];
/// The disk is not told to write what is in its cache; `volatile` is an overlay's, and leaves out all syncs.
const NO_BARRIER: [&str; 5] =
    ["nobarrier", "barrier=0", "barrier=none", "fsync_mode=nobarrier", "volatile"];

/// What is wrong, directories with the same trouble together; nothing on an ordinary host.
pub fn judge(facts: &Facts) -> Vec<StorageProblem> {
    let mut problems = Vec::new();
    for (name, place, keys) in [("log_dir", &facts.log, false), ("state_dir", &facts.state, true)] {
        let Some(mount) = &place.mount else { continue };
        let found = [
            ephemeral(mount, facts.container),
            sync_unsure(mount),
            keys_linger(mount).filter(|_| keys && !place.no_copy_on_write),
        ];
        for (weakness, trouble) in
            [Weakness::Ephemeral, Weakness::SyncUnsure, Weakness::KeysLinger].into_iter().zip(found)
        {
            if let Some(trouble) = trouble {
                gather(&mut problems, weakness, trouble, name, place);
            }
        }
    }
    let mut problems: Vec<_> = problems.into_iter().map(Gathered::told).collect();
    if facts.preloaded.contains("libeatmydata") {
        problems.push(StorageProblem {
            weakness: Weakness::SyncUnsure,
            directories: ["log_dir", "state_dir"].map(str::to_owned).into(),
            what: "the daemon runs with libeatmydata".into(),
            why: "no sync does anything, and a crash of the host loses acknowledged events".into(),
            advice: "start it without that library (LD_PRELOAD, /etc/ld.so.preload)".into(),
        });
    }
    problems
}

/// One thing that is wrong with a mount.
#[derive(PartialEq, Eq)]
struct Trouble {
    /// After "… is ".
    what: String,
    why: String,
    advice: String,
}

impl Trouble {
    fn new(what: impl Into<String>, why: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), advice: advice.into() }
    }
}

/// The same trouble, with the directories that have it.
struct Gathered {
    weakness: Weakness,
    trouble: Trouble,
    /// The keys and what they say.
    directories: Vec<(String, String)>,
}

fn gather(
    all: &mut Vec<Gathered>,
    weakness: Weakness,
    trouble: Trouble,
    name: &str,
    place: &Place,
) {
    let path: String = place.path.to_string_lossy().chars().take(SHOWN).collect();
    let directory = (name.to_owned(), path);
    let same = |known: &&mut Gathered| known.weakness == weakness && known.trouble == trouble;
    match all.iter_mut().find(same) {
        Some(known) => known.directories.push(directory),
        None => all.push(Gathered { weakness, trouble, directories: vec![directory] }),
    }
}

impl Gathered {
    fn told(self) -> StorageProblem {
        let Self { weakness, trouble: Trouble { what, why, advice }, directories } = self;
        let verb = if directories.len() == 1 { "is" } else { "are" };
        let named: Vec<_> =
            directories.iter().map(|(name, path)| format!("{name} ({path:?})")).collect();
        let what = format!("{} {verb} {what}", named.join(" and "));
        let directories = directories.into_iter().map(|(name, _)| name).collect();
        StorageProblem { weakness, directories, what, why, advice }
    }
}

fn ephemeral(mount: &Mount, container: bool) -> Option<Trouble> {
    const ANOTHER: &str = "set a directory on a disk of this host";
    const VOLUME: &str = "mount a volume there";
    let elsewhere = if container { VOLUME } else { ANOTHER };
    let (fs_type, source) = (short(&mount.fs_type), short(&mount.source));
    if MEMORY.contains(&&*mount.fs_type) {
        let why = "all of it is gone when the host or the container stops";
        return Some(Trouble::new(format!("in memory ({fs_type})"), why, elsewhere));
    }
    if ["/dev/zram", "/dev/ram"].iter().any(|memory| mount.source.starts_with(memory)) {
        let why = "all of it is gone when the host stops";
        return Some(Trouble::new(format!("in memory ({source})"), why, elsewhere));
    }
    let layered = LAYERED.contains(&&*mount.fs_type);
    // Not every engine lays its containers over an image: some give them a directory or a subvolume.
    let own = container && mount.point.as_os_str() == "/" && (layered || mount.root != "/");
    if own {
        let why = "all of it is gone when the container is removed";
        let what = format!("in the container's own files ({fs_type}), not on a volume");
        return Some(Trouble::new(what, why, VOLUME));
    }
    if layered {
        let why =
            "all of it is gone when that layer is thrown away, as live systems and containers do";
        return Some(Trouble::new(
            format!("on a layer over other files ({fs_type})"),
            why,
            elsewhere,
        ));
    }
    if is_anonymous_volume(&mount.root) {
        let why = "the next container gets another one, and with --rm it is deleted";
        let advice = "give the volume a name, as in `-v NAME:DIRECTORY`";
        return Some(Trouble::new("on a volume without a name", why, advice));
    }
    if mount.root.contains("/kubernetes.io~empty-dir/") {
        let why = "it is deleted together with the pod";
        let advice = "use a hostPath or a persistent volume";
        return Some(Trouble::new("on an emptyDir of Kubernetes", why, advice));
    }
    None
}

/// Docker and Podman name those after 64 random hex digits: `…/volumes/ID/_data`.
fn is_anonymous_volume(root: &str) -> bool {
    let Some(volume) = root.split("/volumes/").nth(1) else { return false };
    let name = volume.strip_suffix("/_data").unwrap_or_default();
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn sync_unsure(mount: &Mount) -> Option<Trouble> {
    let fs_type = &*mount.fs_type;
    if let Some(option) = NO_BARRIER.iter().find(|option| mount.has(option)) {
        let why = "a sync may not reach the disk, and a loss of power loses acknowledged events";
        let what = format!("on {} that is mounted with {option}", short(fs_type));
        return Some(Trouble::new(what, why, "mount it without that option"));
    }
    // Whatever program serves it; a layer has been told already.
    let served = fs_type.starts_with("fuse.") && !LAYERED.contains(&fs_type);
    (served || SERVED.contains(&fs_type)).then(|| {
        let what = format!("on {} from {:?}", short(fs_type), short(&mount.source));
        let why = "whether a sync reaches a disk is up to whoever serves it";
        let advice = "use a disk of this host, and [[archive]] for copies elsewhere";
        Trouble::new(what, why, advice)
    })
}

fn keys_linger(mount: &Mount) -> Option<Trouble> {
    let fs_type = &*mount.fs_type;
    let advice = "keep state_dir on ext4 or xfs";
    let why = "keys that were overwritten may stay on the disk";
    if mount.has("data=journal") {
        let what =
            format!("on {} with data=journal, which writes everything twice", short(fs_type));
        return Some(Trouble::new(what, why, advice));
    }
    COPY_ON_WRITE.contains(&fs_type).then(|| {
        let advice = match fs_type {
            "btrfs" => {
                format!("{advice}, or run chattr +C on it while it is empty and make no snapshots")
            }
            _ => advice.to_owned(),
        };
        let what = format!("on {fs_type}, which writes each change to a new place");
        Trouble::new(what, why, advice)
    })
}

/// No longer than a person wants to read.
fn short(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests;
