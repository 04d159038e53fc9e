//! Row 14: segments that were compressed after they were closed.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use auditlogd::ledger::verify::Verdict;

use crate::common::auditor::{Auditor, Macs};
use crate::common::lab::Lab;
use crate::files::lines;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Zstd,
    Gzip,
}

const FORMS: [Form; 2] = [Form::Zstd, Form::Gzip];

impl Form {
    fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Form::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("zstd");
                // As the command line tool does it.
                encoder.include_checksum(true).expect("zstd");
                std::io::copy(&mut &bytes[..], &mut encoder).expect("zstd");
                encoder.finish().expect("zstd")
            }
            Form::Gzip => {
                let level = flate2::Compression::default();
                let mut out = Vec::new();
                let mut encoder = flate2::bufread::GzEncoder::new(bytes, level);
                encoder.read_to_end(&mut out).expect("gzip");
                out
            }
        }
    }

    /// The contents, if the whole file is one member or frame.
    fn unpack(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let rest = match self {
            Form::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(bytes).ok()?.single_frame();
                decoder.read_to_end(&mut out).ok()?;
                decoder.finish()
            }
            Form::Gzip => {
                let mut decoder = flate2::bufread::GzDecoder::new(bytes);
                decoder.read_to_end(&mut out).ok()?;
                decoder.into_inner()
            }
        };
        rest.is_empty().then_some(out)
    }
}

/// A closed log whose first segment is compressed.
fn packed(form: Form) -> (Lab, Auditor, PathBuf, Vec<u8>) {
    let lab = Lab::closed(2, 1);
    let auditor = Auditor::of(lab.root());
    let first = lab.segments().remove(0);
    let bytes = form.pack(&fs::read(&first).expect("reads"));
    fs::write(&first, &bytes).expect("writes");
    auditor.verify(lab.root(), Macs::Checked, &[]).clean();
    (lab, auditor, first, bytes)
}

/// What is left of the contents counts: a changed name or time in a gzip header is no change of the log.
#[test]
fn row_14_change_any_byte_of_a_compressed_segment() {
    for form in FORMS {
        let (lab, auditor, first, good) = packed(form);
        let contents = form.unpack(&good).expect("whole");
        let mut caught = 0;
        for offset in 0..good.len() {
            let mut bad = good.clone();
            bad[offset] ^= 1 << (offset % 8);
            fs::write(&first, &bad).expect("writes");
            let verdict = auditor.check(lab.root(), Macs::Unchecked).verdict;
            let same = form.unpack(&bad).as_ref() == Some(&contents);
            let wanted = if same { Verdict::OkUnanchored } else { Verdict::Tampered };
            assert_eq!(verdict, wanted, "{form:?}, byte {offset}, contents the same: {same}");
            caught += usize::from(!same);
        }
        assert!(caught + 20 > good.len(), "{form:?}: {caught} of {} bytes matter", good.len());
    }
}

fn says(lab: &Lab, auditor: &Auditor, path: &Path, bytes: &[u8], parts: &[&str]) {
    fs::write(path, bytes).expect("writes");
    let said = auditor.verify(lab.root(), Macs::Unchecked, &[]);
    said.caught(&[&[path.to_str().expect("utf-8")], parts].concat());
}

#[test]
fn row_14_append_a_second_member_or_frame_or_any_byte() {
    for form in FORMS {
        let (lab, auditor, first, good) = packed(form);
        let line = lines(&lab.segments()[1])[1].clone();
        let skippable = [&0x184d_2a50_u32.to_le_bytes()[..], &4u32.to_le_bytes(), b"more"].concat();
        for more in [
            form.pack(&line),
            form.pack(b""),
            FORMS.iter().find(|other| **other != form).expect("another").pack(&line),
            skippable,
            line,
            b"\0".to_vec(),
            b"\n".to_vec(),
        ] {
            let bytes = [&good[..], &more].concat();
            says(&lab, &auditor, &first, &bytes, &["appended to the compressed segment"]);
        }
    }
}

#[test]
fn row_14_cut_a_compressed_segment_or_change_a_line_in_it() {
    for form in FORMS {
        let (lab, auditor, first, good) = packed(form);
        for len in [good.len() - 1, good.len() - 8, good.len() / 2, 10, 0] {
            fs::write(&first, &good[..len]).expect("writes");
            let said = auditor.verify(lab.root(), Macs::Unchecked, &[]);
            // Where not even the header can be read any more, the file is none of the log.
            let name = first.to_str().expect("utf-8");
            let part = if said.text.contains(name) { name } else { "the log begins at seq 5, " };
            said.caught(&[part]);
        }
        let contents = form.unpack(&good).expect("whole");
        let text = String::from_utf8(contents.clone()).expect("utf-8");
        let changed = text.replace("{\"name\":\"0.0\"}", "{\"name\":\"0.7\"}");
        says(&lab, &auditor, &first, &form.pack(changed.as_bytes()), &["was changed"]);
        let cut = &contents[..contents.len() - 1];
        says(&lab, &auditor, &first, &form.pack(cut), &["in the middle of a line"]);
    }
}
