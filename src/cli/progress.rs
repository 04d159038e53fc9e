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
    restyle(&bar, template);
    bar
}

/// Shows the bar by another template.
pub(super) fn restyle(bar: &ProgressBar, template: &str) {
    // The templates are fixed; were one wrong, the one before would do.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}
