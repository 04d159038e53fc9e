//! What verification understands of the daemon's own records.

use serde::Deserialize;

use crate::record::{self, EarlierRules};

/// One of the daemon's own records.
#[derive(Clone, Debug, Deserialize)]
pub struct Own {
    /// `auditlogd.…`.
    pub event_type: String,
    /// The sentence.
    pub action: Option<String>,
    /// Its members.
    pub data: Data,
}

/// The members of any of them.
#[derive(Clone, Debug, Deserialize)]
pub struct Data {
    pub log_id: Option<String>,
    pub format: Option<u32>,
    pub genesis_pub: Option<String>,
    pub checkpoint_vkey: Option<String>,
    pub damage: Option<String>,
    pub first_seq: Option<u64>,
    pub through_seq: Option<u64>,
    pub root: Option<String>,
    pub subtrees: Option<Vec<String>>,
    pub policy: Option<String>,
    pub keep_seconds: Option<u64>,
    /// Of `maintained`.
    pub retention: Option<String>,
    pub earlier: Option<Vec<EarlierRules>>,
    /// Of `rejected_summary`.
    pub lines: Option<u64>,
    /// Of `clock_step`.
    pub step_ns: Option<i64>,
    pub applied: Option<Vec<String>>,
    pub restart: Option<Vec<String>>,
}

impl Own {
    /// Reads an event's text; `None` for what clients sent.
    pub fn parse(event: &str) -> Option<Self> {
        let own = event.starts_with(record::PREFIX);
        own.then(|| serde_json::from_str(event).ok()).flatten()
    }

    /// What it says, for people.
    pub fn sentence(&self) -> String {
        let data = &self.data;
        let action = self.action.clone().unwrap_or_else(|| self.event_type.clone());
        let keys = |keys: &Option<Vec<String>>| keys.iter().flatten().cloned().collect::<Vec<_>>();
        match (self.kind(), &data.damage) {
            ("config_changed", _) => {
                let (applied, restart) = (keys(&data.applied), keys(&data.restart));
                let after = match restart.is_empty() {
                    true => String::new(),
                    false => format!("; in force after a restart: {}", restart.join(", ")),
                };
                format!("{action}: {}{after}", applied.join(", "))
            }
            ("pruned", _) => {
                format!("{action} ({})", data.policy.as_deref().unwrap_or("no policy"))
            }
            (_, Some(damage)) if !action.contains(damage.as_str()) => format!("{action}: {damage}"),
            _ => action,
        }
    }

    /// The type without its prefix.
    pub fn kind(&self) -> &str {
        self.event_type.strip_prefix("auditlogd.").unwrap_or_default()
    }
}
