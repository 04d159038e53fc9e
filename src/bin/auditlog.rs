//! The command-line tool.

fn main() -> std::process::ExitCode {
    auditlogd::cli::run()
}
