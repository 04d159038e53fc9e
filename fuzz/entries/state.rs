//! State files. The checksum is made right, or nothing would ever get past it.
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use auditlogd::fs::Real;
use auditlogd::ledger::state::StateFile;
use sha2::{Digest, Sha256};

const CHECKED: usize = 4064;

/// One input.
pub fn run(bytes: &[u8]) {
    let mut slot = [b"ALSTATE1", bytes].concat();
    slot.resize(CHECKED, 0);
    let checksum = Sha256::digest(&slot);
    slot.extend_from_slice(&checksum);
    let path = std::env::temp_dir().join(format!("auditlogd-fuzz-{}.state", std::process::id()));
    for content in [bytes, &slot[..], &[&slot[..], &slot].concat()] {
        fs::write(&path, content).expect("temporary file");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode");
        if let Ok(Some((mut file, state))) = StateFile::load(&Real::default(), &path) {
            file.write(&state).expect("what was read can be written");
            let (_, again) = StateFile::load(&Real::default(), &path).expect("read").expect("one");
            assert_eq!(again.counter, state.counter);
            assert_eq!(again.seal, state.seal);
        }
    }
}
