use super::*;
use proptest::prelude::*;

/// The example of c2sp.org/signed-note.
const C2SP_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const C2SP_NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// The example of golang.org/x/mod/sumdb/note.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const GO_SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

/// A checkpoint of the public log arche2025h1, with two of its witnesses' signatures.
const PUBLIC: &str = "\
arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

\u{2014} arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
\u{2014} arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
\u{2014} witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
\u{2014} remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
";
const PUBLIC_LOG: &str =
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";
const PUBLIC_WITNESSES: [&str; 2] = [
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
];

fn key(text: &str) -> VerifierKey {
    text.parse().expect("a verifier key")
}

fn note(text: &str) -> Note {
    Note::parse(text).expect("a note")
}

#[test]
fn published_notes_verify_with_their_published_keys() {
    assert_eq!(note(C2SP_NOTE).verify(&key(C2SP_KEY)), Ok(Signed::Plain));
    let go = format!("{GO_TEXT}\n{GO_SIGNATURE}");
    assert_eq!(note(&go).verify(&key(GO_KEY)), Ok(Signed::Plain));
    assert_eq!(note(&go).verify(&key(C2SP_KEY)), Err(VerifyError::NotSigned));
}

#[test]
fn a_public_log_and_its_witnesses_verify() {
    let checkpoint = note(PUBLIC);
    assert_eq!(checkpoint.verify(&key(PUBLIC_LOG)), Ok(Signed::Plain));
    let changed = note(&PUBLIC.replace("1432088532", "1432088533"));
    assert_eq!(changed.verify(&key(PUBLIC_LOG)), Err(VerifyError::Forged));
    for witness in PUBLIC_WITNESSES.map(key) {
        // 2026-05-23T21:50:24Z
        assert_eq!(checkpoint.verify(&witness), Ok(Signed::At(1_779_573_024)));
        assert_eq!(changed.verify(&witness), Err(VerifyError::Forged));
    }
    assert_eq!(checkpoint.to_string(), PUBLIC);
}

/// RFC 8032 signatures are the same each time, so ours is the published one.
#[test]
fn the_published_key_signs_as_published() {
    let seed = BASE64.decode(b"AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").expect("base64");
    let secret = SignKey::from_seed(seed[1..].try_into().expect("32 bytes")).expect("a key");
    let mut signed = Note::new(GO_TEXT).expect("a text");
    signed.sign(&key(GO_KEY), &secret);
    assert_eq!(signed.to_string(), format!("{GO_TEXT}\n{GO_SIGNATURE}"));
}

#[test]
fn a_forged_signature_refuses_the_whole_note() {
    let changed = C2SP_NOTE.replace("example message", "Example message");
    assert_eq!(note(&changed).verify(&key(C2SP_KEY)), Err(VerifyError::Forged));
    // A true one beside it does not heal it.
    let mut both = note(C2SP_NOTE);
    let mut forged = both.signatures[0].clone();
    forged.bytes[9] ^= 1;
    both.add(forged);
    assert_eq!(both.verify(&key(C2SP_KEY)), Err(VerifyError::Forged));
}

#[test]
fn the_text_ends_at_the_last_blank_line() {
    let text = "a\n\nb\n";
    let parsed = note(&format!("{text}\n{GO_SIGNATURE}"));
    assert_eq!(parsed.text(), text);
    assert_eq!(parsed.signatures().len(), 1);
}

#[test]
fn cosignatures_tell_since_when_a_witness_knows_the_text() {
    let secret = SignKey::from_seed(&[7; 32]).expect("a key");
    let witness = VerifierKey::new("w.example/1", KeyKind::CosignatureV1, &secret.public());
    let witness = witness.expect("a key");
    let cosign = |time: u64, text: &str| {
        let message = format!("cosignature/v1\ntime {time}\n{text}");
        let bytes = [&time.to_be_bytes()[..], &secret.sign(message.as_bytes())].concat();
        Signature { name: "w.example/1".into(), id: witness.id(), bytes }
    };
    let mut noted = Note::new("x\n").expect("a text");
    noted.add(cosign(200, "x\n"));
    noted.add(cosign(100, "x\n"));
    assert_eq!(noted.verify(&witness), Ok(Signed::At(100)));
    // Its key under another type is another key.
    let plain = VerifierKey::new("w.example/1", KeyKind::Ed25519, &secret.public()).expect("key");
    assert_ne!(plain.id(), witness.id());
    assert_eq!(noted.verify(&plain), Err(VerifyError::NotSigned));
    noted.add(cosign(300, "y\n"));
    assert_eq!(noted.verify(&witness), Err(VerifyError::Forged));
    let late = u64::MAX;
    let mut noted = Note::new("x\n").expect("a text");
    noted.add(cosign(late, "x\n"));
    assert_eq!(noted.verify(&witness), Err(VerifyError::Forged), "a time beyond 2^63");
}

#[test]
fn texts_that_are_no_notes_are_refused() {
    for (bad, why) in [
        (C2SP_NOTE.trim_end().to_owned(), NoteError::Unsigned),
        (C2SP_NOTE.replace("\n\n", "\n"), NoteError::Unsigned),
        ("x\n\n".to_owned(), NoteError::Unsigned),
        (C2SP_NOTE.replace("This", "\tThis"), NoteError::Control),
        (C2SP_NOTE.replace('\u{2014}', "-"), NoteError::Signature(1)),
        (C2SP_NOTE.replace("foo Uw2Q", "foo  Uw2Q"), NoteError::Signature(1)),
        (C2SP_NOTE.replace("/foo ", "+foo "), NoteError::Signature(1)),
        (format!("x\n\n{SIGNATURE_PREFIX}a AAAAAA==\n"), NoteError::Signature(1)),
        (format!("x\n\n{SIGNATURE_PREFIX}a AAAAAA==AAAA\n"), NoteError::Signature(1)),
        (format!("{}\n\n{GO_SIGNATURE}", "x".repeat(MAX_TEXT)), NoteError::TextLength),
        (format!("x\n\n{}", GO_SIGNATURE.repeat(MAX_SIGNATURES + 1)), NoteError::TooMany),
    ] {
        assert_eq!(Note::parse(&bad), Err(why), "{:?}", bad.get(..80));
    }
    assert!(Note::parse(&format!("x\n\n{}", GO_SIGNATURE.repeat(MAX_SIGNATURES))).is_ok());
}

#[test]
fn verifier_keys_that_were_changed_are_refused() {
    for published in [C2SP_KEY, GO_KEY] {
        assert_eq!(key(published).to_string(), published);
        for at in 0..published.len() {
            let mut changed = published.as_bytes().to_vec();
            changed[at] = if changed[at] == b'B' { b'C' } else { b'B' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(changed.parse::<VerifierKey>().is_err(), "{changed}");
        }
    }
    // An unknown type with an id that fits it, as in the tests of Go.
    assert_eq!(
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse::<VerifierKey>(),
        Err(KeyError::Kind)
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text: String) {
        let _ = Note::parse(&text);
        let _ = parse_signatures(&text);
        let _ = text.parse::<VerifierKey>();
    }

    #[test]
    fn what_is_accepted_is_written_back_byte_for_byte(at in 0usize..200, with in ".{0,3}") {
        let mut changed = C2SP_NOTE.to_owned();
        let at = (at..changed.len()).find(|at| changed.is_char_boundary(*at)).unwrap_or(0);
        changed.replace_range(at..at, &with);
        if let Ok(parsed) = Note::parse(&changed) {
            prop_assert_eq!(parsed.to_string(), changed);
        }
    }
}
