//! A new log: keys, segment, first record, in that order.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::auditor::{self, Whereabouts};
use super::epoch::{Epoch, EpochKeys};
use super::files::{create_segment, open_seals};
use super::keys::{EpochSecret, LogId, Ratchet, SignKey};
use super::log::{boot, hex, signer};
use super::open::{Opened, Setup};
use super::seal::Reason;
use super::segment::Header;
use super::state::{State, StateFile};
use super::tree::Tree;
use super::{FORMAT, Ledger, LedgerError, Paths};
use crate::clock::{Now, rfc3339};
use crate::fs::{self, Access, Fs};
use crate::record::Record;

/// Creates keys, segment and first record, then the state file, whose first valid slot is what makes
/// the log exist: a crash before it starts over.
pub(super) fn create(mut setup: Setup, now: Now) -> Result<Opened, LedgerError> {
    let paths = setup.paths.clone();
    let fs = setup.fs.clone();
    let NewKeys { log_id, auditor_key, given, ratchet, next_secret, sign_key, checkpoint_key } =
        NewKeys::generate(&mut setup)?;

    let put = |path: PathBuf, text: &str, access| {
        fs::replace(&*fs, &path, text.as_bytes(), access).map_err(LedgerError::io("written", &path))
    };
    let genesis_pub = HEXLOWER.encode(&sign_key.public());
    let signer = signer(&paths, checkpoint_key, &setup.host.name, &log_id, "")?;
    let checkpoint_vkey = signer.verifier_key().to_string();
    put(paths.genesis_pub(), &format!("{genesis_pub}\n"), Access::Shared)?;
    put(paths.checkpoint_vkey(), &format!("{checkpoint_vkey}\n"), Access::Shared)?;
    put(paths.checkpoint_key(), &secret_line(signer.seed()), Access::Private)?;
    let opened = rfc3339(now.wall_ns);
    let auditor_key_in = leave(&auditor_key, given, &*fs, &paths, &opened)?;
    drop(auditor_key);

    let state = StateFile::create(&*fs, &paths.state())?;
    let tree = Tree::default();
    let header = Header::new(&log_id, &setup.host.name, 0, &tree, opened.clone());
    let segment = create_segment(&*fs, &paths, &header)?;
    let seals = open_seals(&*fs, &paths)?;
    let first = State {
        counter: 1,
        log_id,
        boot: boot(&setup.host.boot_id),
        epoch: 0,
        next_secret,
        sign_key,
        seal: None,
    };
    let record = Record::LogCreated {
        log_id: hex(&log_id),
        genesis_pub,
        checkpoint_vkey,
        format: FORMAT,
        auditor_key: auditor_key_in,
    };
    let own_peer = setup.own_peer.clone();
    let mut ledger = Ledger {
        fs: setup.fs,
        paths,
        host: setup.host,
        entropy: setup.entropy,
        log_id,
        log_id_hex: hex(&log_id),
        state,
        counter: 1,
        keys: EpochKeys { ratchet: Some(ratchet), ..EpochKeys::from(&first)? },
        signer,
        epoch: Epoch { number: 0, first_seq: 0, prev: [0; 32] },
        tree,
        segment,
        closed: None,
        seals,
        batch: Vec::new(),
        closing: None,
    };
    ledger.sign(&opened, b"", &own_peer, record.to_json().as_bytes())?;
    ledger.store()?;
    ledger.state.write(&first)?;
    ledger.close_epoch(Reason::Created, now)?;
    Ok(Opened { ledger, created: true, crashed: None, recovered: None })
}

/// What a new log begins with.
struct NewKeys {
    log_id: LogId,
    /// S_0.
    auditor_key: Zeroizing<[u8; 32]>,
    /// It came from a credential.
    given: bool,
    /// Of epoch 0.
    ratchet: Ratchet,
    next_secret: EpochSecret,
    sign_key: SignKey,
    checkpoint_key: SignKey,
}

impl NewKeys {
    fn generate(setup: &mut Setup) -> Result<Self, LedgerError> {
        let failed = || LedgerError::io("given keys", &setup.paths.state_dir);
        let entropy = &mut setup.entropy;
        let mut log_id: LogId = [0; 16];
        entropy(&mut log_id).map_err(failed())?;
        let given =
            setup.credential.as_deref().map(auditor::from_credential).transpose()?.flatten();
        let is_given = given.is_some();
        let auditor_key = match given {
            Some(key) => key,
            None => {
                let mut key = Zeroizing::new([0; 32]);
                entropy(&mut *key).map_err(failed())?;
                key
            }
        };
        let secret = EpochSecret::new(&auditor_key).map_err(failed())?;
        Ok(Self {
            log_id,
            auditor_key,
            given: is_given,
            ratchet: secret.ratchet(&log_id, 0).map_err(failed())?,
            next_secret: secret.next(&log_id, 0).map_err(failed())?,
            sign_key: SignKey::generate(entropy).map_err(failed())?,
            checkpoint_key: SignKey::generate(entropy).map_err(failed())?,
        })
    }
}

/// Leaves the auditor key in its file, or says that it came from a credential; where it is now, for leaf 0.
fn leave(
    key: &[u8; 32],
    given: bool,
    fs: &dyn Fs,
    paths: &Paths,
    created: &str,
) -> Result<&'static str, LedgerError> {
    let file = paths.auditor_key();
    if given {
        // One that a creation left when it was interrupted belongs to no log.
        discard(fs, &file)?;
        Whereabouts::Credential { created: created.to_owned() }.note(fs, paths)?;
        return Ok("credential");
    }
    discard(fs, &paths.auditor_handover())?;
    fs::replace(fs, &file, secret_line(key).as_bytes(), Access::Private)
        .map_err(LedgerError::io("written", &file))?;
    Ok("file")
}

/// A secret as its file holds it.
fn secret_line(bytes: &[u8; 32]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(65));
    HEXLOWER.encode_append(bytes, &mut text);
    text.push('\n');
    text
}

fn discard(fs: &dyn Fs, path: &Path) -> Result<(), LedgerError> {
    match fs.remove(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(LedgerError::io("removed", path)),
    }
}
