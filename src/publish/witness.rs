//! An anchor that is a witness: somebody who checks that this log only grows, and says so with a
//! signature of their own (c2sp.org/tlog-witness, c2sp.org/tlog-cosignature).

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use super::{Context, Delivered, Failure, Target};
use crate::engine::Sealed;
use crate::ledger::note::{KeyKind, Note, Signed, VerifierKey, VerifyError, parse_signatures};
use crate::ledger::tree::Hash;
use crate::ledger::{Paths, proof};

/// The longest answer that is read, bytes.
const MAX_ANSWER: u64 = 64 << 10;
const USER_AGENT: &str = concat!("auditlogd/", env!("CARGO_PKG_VERSION"));

pub(super) struct WitnessAnchor {
    /// Where checkpoints are sent.
    url: String,
    key: VerifierKey,
    timeout: Duration,
    /// Where the lines for proofs are.
    paths: Paths,
    agent: Agent,
}

/// What a witness says to a checkpoint.
enum Answer {
    /// Signature lines.
    Cosigned(String),
    /// It cosigned this size last, and not the one that was named.
    Latest(u64),
}

impl Target for WitnessAnchor {
    fn deliver(&mut self, sealed: &Sealed, context: &Context<'_>) -> Result<Delivered, Failure> {
        let mut old = context.before.filter(|before| *before <= sealed.size).unwrap_or(0);
        // It may have seen more than we know of, or have forgotten: it says so, once.
        for _ in 0..2 {
            match self.add_checkpoint(sealed, old, context)? {
                Answer::Cosigned(lines) => return self.accept(sealed, &lines),
                Answer::Latest(size) => {
                    contradiction(size, old, sealed.size)?;
                    old = size;
                }
            }
        }
        Err(failed("it names another size each time; does somebody else send it this log?"))
    }
}

impl WitnessAnchor {
    /// # Errors
    /// A sentence about the key.
    pub fn new(url: &str, vkey: &str, timeout: Duration, paths: Paths) -> Result<Self, String> {
        let key: VerifierKey =
            vkey.parse().map_err(|e| format!("vkey {vkey:?} is refused: {e}"))?;
        if key.kind() != KeyKind::CosignatureV1 {
            return Err(format!(
                "vkey {vkey:?} is of type Ed25519 (1), and a witness signs with type cosignature/v1 (4)"
            ));
        }
        let url = format!("{url}/add-checkpoint");
        let agent = agent(url.starts_with("https:"));
        Ok(Self { url, key, timeout, paths, agent })
    }

    fn add_checkpoint(
        &self,
        sealed: &Sealed,
        old: u64,
        context: &Context<'_>,
    ) -> Result<Answer, Failure> {
        let body = request(old, &self.proof(old, sealed)?, &sealed.checkpoint);
        let limit = context.slot.patience(self.timeout).left();
        let unreachable = |e: ureq::Error| failed(format!("it cannot be reached: {e}"));
        let post = self.agent.post(&self.url).config().timeout_global(Some(limit)).build();
        let mut response = post.send(body).map_err(unreachable)?;
        let status = response.status().as_u16();
        let answer = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
        let answer = answer.map_err(unreachable)?;
        match status {
            200 => Ok(Answer::Cosigned(answer)),
            409 => {
                let size = answer.strip_suffix('\n').and_then(|size| size.parse().ok());
                size.map(Answer::Latest).ok_or_else(|| failed("it answers 409 without a size"))
            }
            403 => Err(failed(
                "it does not accept this log's signature (403); give it the key in checkpoint.vkey",
            )),
            404 => Err(failed(
                "it does not know this log (404); give it the key in checkpoint.vkey, and check the url",
            )),
            422 => Err(Failure::Contradiction(format!(
                "what it cosigned at size {old} is no beginning of the log here (422)"
            ))),
            other => Err(failed(format!("it answers with status {other}"))),
        }
    }

    fn proof(&self, old: u64, sealed: &Sealed) -> Result<Vec<Hash>, Failure> {
        if old == 0 || old == sealed.size {
            return Ok(Vec::new());
        }
        let proof = proof::consistency(&self.paths.log_dir, &sealed.log_id, old, sealed.size);
        proof
            .map(|proof| proof.path)
            .map_err(|e| failed(format!("it cannot be shown that the log only grew: {e}")))
    }

    /// The checkpoint with the witness's cosignature, if that holds. Others that it may add are ignored.
    fn accept(&self, sealed: &Sealed, lines: &str) -> Result<Delivered, Failure> {
        let unreadable =
            |e: &dyn std::fmt::Display| failed(format!("its answer cannot be read: {e}"));
        let mut note = Note::parse(&sealed.checkpoint).map_err(|e| unreadable(&e))?;
        for signature in parse_signatures(lines).map_err(|e| unreadable(&e))? {
            if signature.name() == self.key.name() && signature.id() == self.key.id() {
                note.add(signature);
            }
        }
        match note.verify(&self.key) {
            Ok(Signed::At(_)) => Ok(Delivered { cosigned: Some(note.to_string()) }),
            Ok(Signed::Plain) | Err(VerifyError::Forged) => {
                Err(failed("its cosignature does not hold; is vkey that of this witness?"))
            }
            Err(VerifyError::NotSigned) => {
                Err(failed("its answer has no cosignature by vkey; is that of this witness?"))
            }
        }
    }
}

/// What the witness cosigned, held against what the log here is.
fn contradiction(latest: u64, old: u64, size: u64) -> Result<(), Failure> {
    if latest > size {
        return Err(Failure::Contradiction(format!(
            "it has cosigned {latest} lines, and there are only {size} here: the end was cut off, \
             or an old copy was put back"
        )));
    }
    if latest == old && old == size {
        return Err(Failure::Contradiction(format!(
            "it has cosigned another root of {size} lines"
        )));
    }
    if latest == old {
        return Err(failed("it answers 409 with the size that it was given"));
    }
    Ok(())
}

fn request(old: u64, proof: &[Hash], checkpoint: &str) -> String {
    let lines: String = proof.iter().map(|hash| BASE64.encode(hash) + "\n").collect();
    format!("old {old}\n{lines}\n{checkpoint}")
}

/// Certificates are checked against the system's roots. Plain HTTP stays on this host, so it knows no
/// proxy.
fn agent(tls: bool) -> Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls_config = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(provider)
        .build();
    let config = Agent::config_builder()
        .tls_config(tls_config)
        .user_agent(USER_AGENT)
        .http_status_as_error(false)
        .max_redirects(0);
    let config = if tls { config } else { config.proxy(None) };
    config.build().new_agent()
}

fn failed(text: impl Into<String>) -> Failure {
    Failure::Failed(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_size_proof_and_checkpoint() {
        let body = request(7, &[[0; 32], [1; 32]], "o\n9\nr\n\n\u{2014} o x\n");
        let (zeros, ones) = (BASE64.encode(&[0; 32]), BASE64.encode(&[1; 32]));
        assert_eq!(body, format!("old 7\n{zeros}\n{ones}\n\no\n9\nr\n\n\u{2014} o x\n"));
        assert_eq!(request(0, &[], "note"), "old 0\n\nnote");
    }

    #[test]
    fn a_witness_that_saw_more_or_something_else_contradicts() {
        let contradicts = |latest, old, size| {
            matches!(contradiction(latest, old, size), Err(Failure::Contradiction(_)))
        };
        assert!(contradicts(10, 7, 9) && contradicts(9, 9, 9));
        assert!(!contradicts(7, 7, 9) && contradiction(7, 7, 9).is_err());
        assert!(contradiction(8, 7, 9).is_ok() && contradiction(0, 7, 9).is_ok());
    }
}
