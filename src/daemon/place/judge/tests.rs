use super::*;

/// A file system mounted at `point`, with one of its directories.
fn mount(fs_type: &str, source: &str, root: &str, point: &str, options: &str) -> Mount {
    let options = options.split(',').map(str::to_owned).collect();
    let (fs_type, source, root) = (fs_type.into(), source.into(), root.into());
    Mount { id: 1, root, point: point.into(), fs_type, source, options }
}

fn simple(fs_type: &str, options: &str) -> Mount {
    mount(fs_type, "/dev/sda1", "/", "/var", options)
}

fn facts(log: Mount, state: Mount) -> Facts {
    let place = |path: &str, mount| Place {
        path: path.into(),
        mount: Some(mount),
        no_copy_on_write: false,
    };
    let (log, state) = (place("/l", log), place("/s", state));
    Facts { log, state, ..Facts::default() }
}

/// Both directories on it.
fn both(mount: Mount) -> Facts {
    facts(mount.clone(), mount)
}

/// The weaknesses, each with how many directories have it.
fn weaknesses(facts: &Facts) -> Vec<(Weakness, usize)> {
    judge(facts).iter().map(|p| (p.weakness, p.directories.len())).collect()
}

use Weakness::{Ephemeral, KeysLinger, SyncUnsure};

#[test]
fn an_ordinary_host_has_nothing_to_tell() {
    for fs_type in ["ext4", "ext3", "xfs", "jfs", "reiserfs", "fuseblk"] {
        for options in ["rw,relatime", "rw,discard,errors=remount-ro", "rw,data=ordered,barrier=1"]
        {
            assert_eq!(judge(&both(simple(fs_type, options))), []);
        }
    }
    // A service's sandbox binds directories; a container on a disk of its own has the root of a file system.
    let bound = mount("ext4", "/dev/sda1", "/var/log/auditlogd", "/var/log/auditlogd", "rw");
    assert_eq!(judge(&both(bound.clone())), []);
    for mount in [bound, mount("ext4", "/dev/vda", "/", "/", "rw")] {
        assert_eq!(judge(&Facts { container: true, ..both(mount) }), []);
    }
    // A machine's own root may be a subvolume.
    let subvolume = mount("ext4", "/dev/sda1", "/@", "/", "rw");
    assert_eq!(judge(&both(subvolume)), []);
}

#[test]
fn what_is_not_known_is_not_told() {
    assert_eq!(judge(&Facts::default()), []);
}

#[test]
fn what_goes_with_the_host_or_the_container_is_told_once_for_both() {
    for fs_type in ["tmpfs", "ramfs", "overlay", "aufs", "fuse.fuse-overlayfs"] {
        for container in [true, false] {
            let facts = Facts { container, ..both(simple(fs_type, "rw")) };
            assert_eq!(weaknesses(&facts), [(Ephemeral, 2)], "{fs_type}");
            assert!(judge(&facts)[0].what.contains(fs_type));
        }
    }
    let zram = mount("ext4", "/dev/zram0", "/", "/var", "rw");
    assert_eq!(weaknesses(&both(zram)), [(Ephemeral, 2)]);
    let one = facts(simple("tmpfs", "rw"), simple("ext4", "rw"));
    let want = r#"log_dir ("/l") is in memory (tmpfs): all of it is gone when the host or the container stops; set a directory on a disk of this host"#;
    assert_eq!(judge(&one)[0].to_string(), want);
}

#[test]
fn a_container_without_a_volume_is_found_whatever_its_files_are_on() {
    for (fs_type, root) in
        [("overlay", "/"), ("ext4", "/docker/vfs/dir/0123"), ("ext4", "/rootfs"), ("xfs", "/x")]
    {
        let own = mount(fs_type, "x", root, "/", "rw");
        let found = judge(&Facts { container: true, ..both(own) });
        assert_eq!(found.len(), 1, "{fs_type}");
        let start = r#"log_dir ("/l") and state_dir ("/s") are in the container's own files"#;
        assert!(found[0].what.starts_with(start), "{}", found[0]);
        assert_eq!(found[0].advice, "mount a volume there");
    }
}

#[test]
fn volumes_that_nobody_named_go_with_their_container() {
    let id = "0123456789abcdef".repeat(4);
    for (root, want) in [
        (format!("/var/lib/docker/volumes/{id}/_data"), 1),
        (format!("/volumes/{id}/_data"), 1),
        ("/var/lib/docker/volumes/audit-log/_data".into(), 0),
        (format!("/srv/{id}"), 0),
        ("/var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/log".into(), 1),
        ("/var/lib/kubelet/pods/1/volumes/kubernetes.io~csi/pvc-1/mount".into(), 0),
    ] {
        let volume = mount("ext4", "/dev/sda1", &root, "/var", "rw");
        assert_eq!(weaknesses(&both(volume)).len(), want, "{root}");
    }
}

#[test]
fn a_sync_that_may_lie_is_told() {
    for fs_type in ["nfs", "nfs4", "cifs", "9p", "virtiofs", "fuse.sshfs", "fuse.glusterfs"] {
        assert_eq!(weaknesses(&both(simple(fs_type, "rw"))), [(SyncUnsure, 2)], "{fs_type}");
    }
    for option in ["nobarrier", "barrier=0", "barrier=none"] {
        assert_eq!(weaknesses(&both(simple("ext4", option))), [(SyncUnsure, 2)], "{option}");
    }
    let volatile = both(simple("overlay", "rw,volatile"));
    assert_eq!(weaknesses(&volatile), [(Ephemeral, 2), (SyncUnsure, 2)]);
    let preloaded = "/usr/lib/x86_64-linux-gnu/libeatmydata.so".into();
    let facts = Facts { preloaded, ..both(simple("ext4", "rw")) };
    assert_eq!(weaknesses(&facts), [(SyncUnsure, 2)]);
}

#[test]
fn where_overwritten_keys_may_stay_only_the_keys_matter() {
    for (fs_type, options) in [
        ("btrfs", "rw,subvol=/@"),
        ("zfs", "rw"),
        ("f2fs", "rw"),
        ("bcachefs", "rw"),
        ("nilfs2", "rw"),
        ("ext4", "rw,data=journal"),
    ] {
        let keys_too = both(simple(fs_type, options));
        assert_eq!(weaknesses(&keys_too), [(KeysLinger, 1)], "{fs_type}");
        assert_eq!(judge(&keys_too)[0].directories, ["state_dir"]);
        let log_only = facts(simple(fs_type, options), simple("ext4", "rw"));
        assert_eq!(judge(&log_only), [], "{fs_type}");
    }
    let mut in_place = both(simple("btrfs", "rw"));
    in_place.state.no_copy_on_write = true;
    assert_eq!(judge(&in_place), []);
}

#[test]
fn names_of_any_length_give_short_sentences() {
    let long = "x".repeat(100_000);
    let mut facts = both(mount(&format!("fuse.{long}"), &long, "/", "/var", "rw"));
    facts.state.path = long.into();
    for problem in judge(&facts) {
        assert!(problem.to_string().len() < 2_000);
    }
}
