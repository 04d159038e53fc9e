//! What must hold, a function each.

mod boot;
mod disks;
mod identity;
mod install;
mod load;
mod neighbours;
mod reload;
mod removal;
mod rpm;

use std::sync::Mutex;

use crate::container::Container;
use crate::image;
use crate::packages::Revision;

/// How a case gets its container.
#[derive(Clone, Copy)]
enum Case {
    /// One with the .deb installed, that other cases have used and will use: it is left as it was found.
    Service(fn(&mut Container)),
    /// None: it boots its own.
    Alone(fn()),
}

/// All cases by their names, in the order that boots the fewest containers.
pub fn all() -> Vec<(&'static str, impl Fn() + Send + 'static)> {
    macro_rules! cases {
        ($($kind:ident $module:ident::$name:ident,)*) => {
            [$((concat!(stringify!($module), "::", stringify!($name)), Case::$kind($module::$name)),)*]
        };
    }
    let cases = cases![
        Service install::stands_beside_the_linux_audit_package,
        Service install::modes_and_owners_are_as_documented,
        Service install::only_the_readers_group_reads,
        Service install::the_socket_can_be_for_a_group,
        Service install::is_sandboxed,
        Service identity::the_kernel_says_who_it_was,
        Service identity::units_are_named,
        Service reload::is_in_force_when_it_returns,
        Service reload::fails_with_a_wrong_configuration,
        Service neighbours::goes_on_without_the_journal,
        Service neighbours::logrotate_loses_nothing,
        Service load::restarts_lose_nothing,
        Service load::kills_lose_nothing,
        Service load::an_upgrade_loses_nothing,
        Service load::a_stop_stores_what_was_sent,
        Service boot::is_there_from_early_on_to_the_end,
        Service boot::a_reboot_continues_the_log,
        Alone disks::the_watchdog_notices_a_disk_that_hangs,
        Alone disks::a_full_disk_loses_nothing,
        Alone removal::removing_keeps_everything,
        Alone removal::purging_keeps_the_log_unless_decommissioned,
        Alone rpm::installs_upgrades_and_erases,
    ];
    cases.into_iter().map(|(name, case)| (name, move || run(case))).collect()
}

/// The container of the cases that share one. It is gone after a failure: the next case gets a fresh one.
static SHARED: Mutex<Option<Container>> = Mutex::new(None);

fn run(case: Case) {
    let shared = || SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let held = shared().take();
    match case {
        Case::Alone(case) => {
            drop(held);
            case();
        }
        Case::Service(case) => {
            let mut container = held.unwrap_or_else(with_service);
            case(&mut container);
            *shared() = Some(container);
        }
    }
}

/// Ends the container that cases share.
pub fn end() {
    drop(SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take());
}

/// A container with the .deb installed.
fn with_service() -> Container {
    let container = Container::boot(&image::directory());
    container.install(Revision::First);
    container
}
