//! Keys: the chain of epoch secrets, the ratchet that macs each line, and the signing key of an epoch
//! (docs/ledger-format.md, "Keys").

pub mod text;

use std::io;

use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use hmac::digest::common::Key;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::tree::Hash;
use crate::kernel::Secret;

/// The log's name: 16 random bytes.
pub type LogId = [u8; 16];

/// Where random bytes come from; a test passes its own.
pub type Entropy = Box<dyn FnMut(&mut [u8]) -> io::Result<()> + Send>;

/// The kernel's random numbers.
pub fn os_entropy() -> Entropy {
    Box::new(|bytes| getrandom::fill(bytes).map_err(io::Error::other))
}

/// S_e: from it follow the line key of epoch e and S_{e+1}, and nothing before it.
pub struct EpochSecret(Secret);

impl EpochSecret {
    /// The secret with these bytes.
    pub fn new(bytes: &[u8; 32]) -> io::Result<Self> {
        Ok(Self(Secret::new(bytes)?))
    }

    /// The bytes, for the state file.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// S_{e+1}, if this is S_e.
    pub fn next(&self, log_id: &LogId, epoch: u64) -> io::Result<Self> {
        self.derive(b"auditlog/v1/next", log_id, epoch).map(Self)
    }

    /// K_{e,0} at the start of its ratchet, if this is S_e.
    pub fn ratchet(&self, log_id: &LogId, epoch: u64) -> io::Result<Ratchet> {
        self.derive(b"auditlog/v1/line", log_id, epoch).map(Ratchet)
    }

    fn derive(&self, label: &[u8], log_id: &LogId, epoch: u64) -> io::Result<Secret> {
        let mut out = Secret::zeroed()?;
        Hkdf::<Sha256>::new(None, &*self.0)
            .expand_multi_info(&[label, log_id, &epoch.to_be_bytes()], &mut *out)
            .map_err(io::Error::other)?;
        Ok(out)
    }
}

/// K_{e,i}: macs one line, then becomes K_{e,i+1}; the old key is gone.
pub struct Ratchet(Secret);

impl Ratchet {
    /// The mac of a line's bytes before its tail.
    pub fn mac(&mut self, line: &[u8]) -> Hash {
        self.step().mac(line)
    }

    /// Hands out the key of the next line, and goes on to the one after it.
    pub fn step(&mut self) -> LineKey {
        let key = LineKey::new(&self.0);
        let next = Zeroizing::new(key.clone().mac(b"ratchet"));
        self.0.copy_from_slice(&*next);
        key
    }
}

/// K_{e,i}, ready to mac its one line: what HMAC makes of a key is made once for the line and for the key after it. It
/// wipes itself.
#[derive(Clone)]
pub struct LineKey(Hmac<Sha256>);

impl LineKey {
    fn new(key: &Hash) -> Self {
        // HMAC fills a shorter key up with zeros (RFC 2104, section 2).
        let mut block = Key::<Hmac<Sha256>>::default();
        block[..key.len()].copy_from_slice(key);
        let hmac = Hmac::new(&block);
        block.zeroize();
        Self(hmac)
    }

    /// The mac of a line's bytes before its tail.
    pub fn mac(self, line: &[u8]) -> Hash {
        self.0.chain_update(line).finalize().into_bytes().into()
    }
}

/// An Ed25519 key: sk_e of an epoch, or the static one of checkpoints.
pub struct SignKey(Secret);

impl SignKey {
    /// A fresh key.
    pub fn generate(entropy: &mut Entropy) -> io::Result<Self> {
        let mut seed = Secret::zeroed()?;
        entropy(&mut *seed)?;
        Ok(Self(seed))
    }

    /// The key with this seed (RFC 8032, section 5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> io::Result<Self> {
        Ok(Self(Secret::new(seed)?))
    }

    /// The seed, for the state file.
    pub fn seed(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        SigningKey::from_bytes(&self.0).verifying_key().to_bytes()
    }

    /// The signature of `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        SigningKey::from_bytes(&self.0).sign(message).to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    fn hmac(key: &[u8], message: &[u8]) -> Hash {
        let hmac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
        hmac.chain_update(message).finalize().into_bytes().into()
    }

    #[test]
    fn a_ratchet_macs_with_its_key_and_goes_on_with_the_key_of_ratchet() {
        let secret = EpochSecret::new(&[7; 32]).expect("secret");
        let mut ratchet = secret.ratchet(&[1; 16], 3).expect("ratchet");
        let key = *ratchet.0;
        assert_eq!(ratchet.mac(b"a line"), hmac(&key, b"a line"));
        assert_eq!(*ratchet.0, hmac(&key, b"ratchet"));
    }

    /// HKDF with an empty salt is HMAC keyed with zeros, then one HMAC block (RFC 5869).
    #[test]
    fn secrets_follow_from_the_one_before_by_hkdf() {
        let secret = EpochSecret::new(&[7; 32]).expect("secret");
        let prk = hmac(&[0; 32], &[7; 32]);
        let mut info = b"auditlog/v1/next".to_vec();
        info.extend([1; 16]);
        info.extend(5u64.to_be_bytes());
        info.push(1);
        assert_eq!(*secret.next(&[1; 16], 5).expect("next").bytes(), hmac(&prk, &info));
    }

    /// RFC 8032, section 7.1, TEST 1.
    #[test]
    fn signatures_are_those_of_rfc_8032() {
        let seed = HEXLOWER
            .decode(b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
            .expect("hex");
        let key = SignKey::from_seed(&seed.try_into().expect("32 bytes")).expect("key");
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(HEXLOWER.encode(&key.public()), public);
        assert!(HEXLOWER.encode(&key.sign(b"")).starts_with("e5564300c360ac72"));
    }
}
