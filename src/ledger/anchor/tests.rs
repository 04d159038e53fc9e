use super::*;
use crate::ledger::checkpoint::Signer;
use crate::ledger::keys::SignKey;
use crate::ledger::note::Signed;
use crate::ledger::tree::Tree;

fn checkpoint(leaves: u8) -> (Signer, String) {
    let key = SignKey::from_seed(&[1; 32]).expect("key");
    let signer = Signer::new(key, "host", &[0xaa; 16], "").expect("signer");
    let mut tree = Tree::default();
    (0..leaves).for_each(|n| tree.push([n; 32]));
    let note = signer.sign(&tree).expect("a note").to_string();
    (signer, note)
}

fn receipt() -> Receipt {
    Receipt { log_id: [0xaa; 16], seq: 7, mac: [3; 32], received_ns: 1_795_224_225_123_456_789 }
}

/// Sizes of checkpoints and numbers of receipts.
fn found(text: &str) -> Vec<u64> {
    let anchors = read(text).expect("anchors");
    let number = |anchor: &Anchor| match anchor {
        Anchor::Checkpoint { note, checkpoint } => {
            let (signer, _) = self::checkpoint(0);
            assert_eq!(note.verify(signer.verifier_key()), Ok(Signed::Plain));
            checkpoint.size
        }
        Anchor::Receipt(receipt) => receipt.seq,
    };
    anchors.list.iter().map(number).collect()
}

#[test]
fn a_receipt_has_the_published_form_and_reads_back() {
    let line = receipt().to_line();
    let want = format!(
        r#"{{"auditlog_receipt":1,"log_id":"{}","seq":7,"mac":"{}","received":"2026-11-21T01:23:45.123456789Z"}}"#,
        "aa".repeat(16),
        "03".repeat(32)
    );
    assert_eq!(line, format!("{want}\n"));
    assert_eq!(Receipt::parse(&want), Ok(receipt()));
    for bad in [want.replace(":1,", ":2,"), want.replace("aa", "AA"), want.replace("03", "3")] {
        assert!(Receipt::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn checkpoints_and_receipts_are_found_in_one_text() {
    let (three, five) = (checkpoint(3).1, checkpoint(5).1);
    let text = format!("{three}{five}\n{}some words\n{three}", receipt().to_line());
    assert_eq!(found(&text), [3, 5, 7, 3]);
}

#[test]
fn anchors_are_found_as_a_journal_or_a_mail_prints_them() {
    let note = checkpoint(3).1;
    assert_eq!(found(&note.replace('\n', "\r\n")), [3]);
    let pad = " ".repeat(40);
    let journal = note.trim_end().replace('\n', &format!("\n{pad}"));
    let before = "see /var/log/auditlog/x\nNov 21 07:00:00 host auditlogd[12]: ";
    assert_eq!(found(&format!("{before}{journal}\nNov 21 another line\n")), [3]);
    assert_eq!(found(note.trim_end()), [3], "without a newline at the end");
}

#[test]
fn a_text_without_anchors_says_what_was_expected() {
    for text in ["", "hello\n", "/var/log/auditlog/x\n12\n", "{\"auditlog\":1}\n"] {
        let error = read(text).expect_err("nothing").to_string();
        assert!(error.contains("HOST/auditlog/LOG_ID") && error.contains("--receipts"), "{error}");
    }
}

#[test]
fn a_damaged_anchor_is_named_by_its_line() {
    let note = checkpoint(3).1;
    let unsigned = note.split("\u{2014}").next().expect("text");
    let error = read(&format!("x\n{unsigned}")).expect_err("unsigned");
    assert_eq!(error, AnchorError::Note { line: 2, source: NoteError::Unsigned });
    let cut = &receipt().to_line()[..60];
    let anchors = read(&format!("{note}{cut}\n{unsigned}{note}")).expect("the others count");
    let said: Vec<_> = anchors.damaged.iter().map(ToString::to_string).collect();
    assert_eq!((anchors.list.len(), said.len()), (2, 2), "{said:?}");
    assert!(said[0].starts_with("line 6: this receipt is damaged"), "{said:?}");
    assert!(said[1].starts_with("line 7: this checkpoint is damaged"), "{said:?}");
    assert_eq!(found(&format!("{note}{cut}")), [3], "a receipt cut by a crash");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text: String) {
        let _ = read(&text);
    }

    #[test]
    fn no_change_of_a_checkpoint_makes_the_reader_panic(at in 0usize..250, with: String) {
        let mut note = checkpoint(3).1;
        let at = (at..note.len()).find(|at| note.is_char_boundary(*at)).unwrap_or(0);
        note.insert_str(at, &with);
        let _ = read(&note);
    }
}
