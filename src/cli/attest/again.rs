//! How to check the log again without the page.

use data_encoding::HEXLOWER;

use super::compose::Evidence;
use super::counts::number;
use super::files::{Summed, is_plain};
use super::page::FileRow;
use crate::cli::text::visible;

impl Evidence<'_> {
    pub(super) fn commands(&self) -> String {
        let key = match &self.target.options.genesis {
            Some(key) => HEXLOWER.encode(key),
            None => "GENESIS-KEY".to_owned(),
        };
        format!(
            "# Compare the key with the one that was noted when the log was created.\n\
             auditlog verify --key {key} --anchor CHECKPOINTS\n\n\
             # On another machine, with a copy of the log and of seals.jsonl in one directory:\n\
             auditlog verify ./copy --key {key} --anchor CHECKPOINTS\n\n\
             # Each single line too, with the auditor key:\n\
             auditlog verify ./copy --key {key} --auditor-key AUDITOR-KEY-FILE"
        )
    }

    /// The input of `sha256sum -c` for the files that are closed.
    pub(super) fn sums(&self) -> String {
        let closed = self.files.split_last().map_or(&[][..], |(_, closed)| closed);
        let plain = closed.iter().filter(|file| is_plain(&file.name));
        let lines: Vec<_> = plain.map(|file| format!("{}  {}", file.sha256, file.name)).collect();
        lines.join("\n")
    }

    pub(super) fn newest(&self) -> String {
        match self.files.last() {
            Some(file) if is_plain(&file.name) => format!(
                "The newest file grows while the daemon runs; its sum is that of its first {} bytes: head -c {} {} | sha256sum",
                number(file.bytes),
                file.bytes,
                file.name
            ),
            _ => "The newest file grows while the daemon runs; its sum is that of the bytes that were there.".into(),
        }
    }

    /// The files with their sums.
    pub(super) fn file_rows(&self) -> Vec<FileRow> {
        self.files.iter().map(file).collect()
    }
}

fn file(file: &Summed) -> FileRow {
    FileRow {
        name: visible(&file.name).into_owned(),
        segment: number(file.segment),
        bytes: number(file.bytes),
        sha256: file.sha256.clone(),
    }
}
