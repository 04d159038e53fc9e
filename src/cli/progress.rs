//! Progress bars for people who wait at a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for `total` steps, or one without an end, that took `elapsed` before anybody wanted to see it;
/// the template is one of indicatif's. Nothing is drawn where standard error is no terminal.
pub(super) fn bar(total: Option<u64>, elapsed: Duration, template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_elapsed(elapsed);
    // The templates are fixed; were one wrong, the library's own would do.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
