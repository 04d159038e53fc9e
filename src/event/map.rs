//! Where the known members are: lists of JSON pointers (RFC 6901), compiled into one tree of keys.

use super::Column;
use super::definition;
use super::keys::fingerprint;

/// The most pointers of one list.
pub const MAX_POINTERS: usize = 64;
/// The most tokens of a pointer.
const MAX_TOKENS: usize = 32;
/// The longest pointer, bytes.
const MAX_POINTER_BYTES: usize = 1_024;

/// The members of the built-in vocabulary, best first (socket-protocol, "Events").
const BUILTIN: [(Column, &[&str]); 14] = [
    (Column::EventType, &["/event_type", "/type"]),
    (Column::Priority, &["/priority", "/severity", "/level"]),
    (Column::Source, &["/source", "/service", "/app"]),
    (Column::Actor, &["/actor", "/user_id", "/user"]),
    (Column::Action, &["/action"]),
    (Column::Outcome, &["/outcome", "/success"]),
    (Column::Target, &["/target", "/resource"]),
    (Column::ClientIp, &["/client_ip", "/ip", "/source_ip"]),
    (Column::SessionId, &["/session_id"]),
    (Column::CorrelationId, &["/correlation_id", "/trace_id", "/request_id"]),
    (Column::Operation, &["/operation"]),
    (Column::DurationMs, &["/duration_ms"]),
    (Column::EventId, &["/event_id"]),
    (Column::Timestamp, &["/timestamp", "/ts", "/time"]),
];

/// The built-in vocabulary: every column with its pointers, best first.
pub fn builtin_pointers() -> Vec<(String, Vec<String>)> {
    let owned = |list: &[&str]| list.iter().map(|p| p.to_string()).collect();
    BUILTIN.iter().map(|(column, list)| (column.name().to_string(), owned(list))).collect()
}

/// What is wrong with a list of pointers or columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldMapError {
    /// Not a column's name.
    #[error("there is no column `{name}`")]
    UnknownColumn {
        /// What was given.
        name: String,
    },
    /// A column has two lists.
    #[error("the column `{name}` has two lists of pointers; give it one")]
    ColumnTwice {
        /// The column.
        name: &'static str,
    },
    /// A list is too long.
    #[error("`{list}` has {count} pointers; at most {MAX_POINTERS} are allowed")]
    TooMany {
        /// The column, or `failure_if_present`.
        list: String,
        /// Its pointers.
        count: usize,
    },
    /// Not a pointer, or one beyond the bounds.
    #[error("{pointer:?} in `{list}` is not a usable JSON pointer: {why}")]
    Pointer {
        /// The column, or `failure_if_present`.
        list: String,
        /// What was given.
        pointer: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No event could ever have the required column.
    #[error(
        "`require` names `{name}`, but no pointer leads to it, so every event would be refused"
    )]
    RequiredNowhere {
        /// The column.
        name: &'static str,
    },
}

/// Where the known members are found, compiled; made once, shared by all threads.
#[derive(Clone, Debug)]
pub struct FieldMap {
    pub(super) root: Node,
    pub(super) require: Vec<Column>,
    /// Whether the presence of some member decides the outcome.
    pub(super) failure_rule: bool,
    pub(super) definition: String,
}

/// One key (or array index) on the way of some pointers.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// The fingerprints of the keys below, side by side for a quick search.
    prints: Vec<u64>,
    /// The keys below, in the same order.
    children: Vec<(Box<[u8]>, Node)>,
    /// Whether a key below can be an array index.
    pub(super) indexes: bool,
    /// The columns whose value is here, each with its rank: lower wins.
    pub(super) captures: Vec<(Column, u16)>,
    /// Whether presence here means failure.
    pub(super) failure: bool,
    /// Whether this is the top-level `event_type`, where reserved names are looked for.
    pub(super) reserved: bool,
}

impl Node {
    /// The node below for a key with that fingerprint.
    pub(super) fn child(&self, key: &[u8], print: u64) -> Option<&Node> {
        let alike = self.prints.iter().zip(&self.children).filter(|(p, _)| **p == print);
        alike.map(|(_, child)| child).find(|(k, _)| **k == *key).map(|(_, node)| node)
    }

    pub(super) fn has_children(&self) -> bool {
        !self.children.is_empty()
    }

    fn child_mut(&mut self, key: &str) -> &mut Node {
        self.indexes |= key == "0" || (!key.starts_with('0') && key.parse::<u32>().is_ok());
        let key = key.as_bytes();
        let at = self.children.iter().position(|(k, _)| **k == *key).unwrap_or_else(|| {
            self.prints.push(fingerprint(key));
            self.children.push((key.into(), Node::default()));
            self.children.len() - 1
        });
        &mut self.children[at].1
    }

    fn at_pointer(&mut self, tokens: &[String]) -> &mut Node {
        tokens.iter().fold(self, |node, token| node.child_mut(token))
    }
}

impl FieldMap {
    /// Compiles lists of pointers, best first. An `actor` or `target` pointer also finds the members
    /// `id` and `name` of an object there. The presence of a member (not null, false or an empty
    /// string) that `failure_if_present` points to means that the outcome is failure and the absence
    /// of all of them success, for events that do not state their outcome otherwise.
    pub fn new(
        pointers: &[(String, Vec<String>)],
        failure_if_present: &[String],
        require: &[String],
    ) -> Result<Self, FieldMapError> {
        let mut root = Node::default();
        let mut found = [false; Column::ALL.len()];
        let mut given = found;
        for (name, list) in pointers {
            let column = column(name)?;
            if std::mem::replace(&mut given[column as usize], true) {
                return Err(FieldMapError::ColumnTwice { name: column.name() });
            }
            found[column as usize] = !list.is_empty();
            add_column(&mut root, column, list)?;
        }
        for tokens in compile_list("failure_if_present", failure_if_present)? {
            root.at_pointer(&tokens).failure = true;
        }
        root.child_mut("event_type").reserved = true;
        found[Column::Outcome as usize] |= !failure_if_present.is_empty();
        let require = require.iter().map(|name| column(name)).collect::<Result<Vec<_>, _>>()?;
        if let Some(column) = require.iter().find(|c| !found[**c as usize]) {
            return Err(FieldMapError::RequiredNowhere { name: column.name() });
        }
        let definition = definition::write(pointers, failure_if_present);
        Ok(Self { root, require, failure_rule: !failure_if_present.is_empty(), definition })
    }

    /// The built-in vocabulary, nothing required: what the daemon's own records speak.
    pub fn builtin() -> Self {
        let mut root = Node::default();
        for (column, list) in &BUILTIN {
            for (i, pointer) in list.iter().enumerate() {
                // The table holds plain keys only, without escapes or levels.
                capture(&mut root, *column, i, &[pointer.trim_start_matches('/').to_string()]);
            }
        }
        root.child_mut("event_type").reserved = true;
        let definition = definition::write(&builtin_pointers(), &[]);
        Self { root, require: Vec::new(), failure_rule: false, definition }
    }
}

fn column(name: &str) -> Result<Column, FieldMapError> {
    Column::from_name(name).ok_or_else(|| FieldMapError::UnknownColumn { name: name.to_string() })
}

fn add_column(root: &mut Node, column: Column, list: &[String]) -> Result<(), FieldMapError> {
    for (i, tokens) in compile_list(column.name(), list)?.iter().enumerate() {
        capture(root, column, i, tokens);
    }
    Ok(())
}

/// Ranks leave room for an object's `id` and `name` behind the pointer itself.
fn capture(root: &mut Node, column: Column, index: usize, tokens: &[String]) {
    let rank = 3 * index as u16;
    let node = root.at_pointer(tokens);
    node.captures.push((column, rank));
    if column.takes_object() {
        node.child_mut("id").captures.push((column, rank + 1));
        node.child_mut("name").captures.push((column, rank + 2));
    }
}

fn compile_list(list: &str, pointers: &[String]) -> Result<Vec<Vec<String>>, FieldMapError> {
    if pointers.len() > MAX_POINTERS {
        return Err(FieldMapError::TooMany { list: list.to_string(), count: pointers.len() });
    }
    let error = |pointer: &String, why| FieldMapError::Pointer {
        list: list.to_string(),
        pointer: pointer.clone(),
        why,
    };
    pointers.iter().map(|p| tokens(p).map_err(|why| error(p, why))).collect()
}

/// The tokens of a pointer, unescaped.
fn tokens(pointer: &str) -> Result<Vec<String>, &'static str> {
    if pointer.len() > MAX_POINTER_BYTES {
        return Err("it is longer than 1,024 bytes");
    }
    let Some(path) = pointer.strip_prefix('/') else {
        return Err("it must start with `/`, as in \"/user/name\"");
    };
    let tokens: Vec<String> = path.split('/').map(unescape).collect::<Result<_, _>>()?;
    if tokens.len() > MAX_TOKENS {
        return Err("it has more than 32 levels");
    }
    Ok(tokens)
}

fn unescape(token: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(token.len());
    let mut parts = token.split('~');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (escaped, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            _ => return Err("`~` must be written `~0`, and `/` inside a key `~1`"),
        };
        out.push(escaped);
        out.push_str(rest);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(column: &str, pointers: &[&str]) -> Result<FieldMap, FieldMapError> {
        let list = pointers.iter().map(|p| p.to_string()).collect();
        FieldMap::new(&[(column.to_string(), list)], &[], &[])
    }

    #[test]
    fn a_pointer_that_is_none_is_refused_with_its_text() {
        for pointer in ["", "actor", "/a~", "/a~2", &"/x".repeat(33), &format!("/{:1024}", "")] {
            let error = build("actor", &[pointer]).expect_err(pointer).to_string();
            assert!(error.contains("`actor`") && error.contains("JSON pointer"), "{error}");
        }
        assert!(build("actor", &["/a~0b~1c", "/"]).is_ok());
    }

    #[test]
    fn escaped_tokens_are_compiled_to_the_keys_they_stand_for() {
        assert_eq!(
            tokens("/a~1b/m~0n/~01//0"),
            Ok(["a/b", "m~n", "~1", "", "0"].map(String::from).to_vec())
        );
    }

    #[test]
    fn unknown_repeated_and_unreachable_columns_are_refused() {
        assert!(matches!(build("actors", &[]), Err(FieldMapError::UnknownColumn { .. })));
        let twice = [("actor".to_string(), vec![]), ("actor".to_string(), vec![])];
        assert!(matches!(FieldMap::new(&twice, &[], &[]), Err(FieldMapError::ColumnTwice { .. })));
        let nowhere = FieldMap::new(&[], &[], &["actor".to_string()]);
        assert!(matches!(nowhere, Err(FieldMapError::RequiredNowhere { name: "actor" })));
        let many: Vec<&str> = vec!["/a"; MAX_POINTERS + 1];
        assert!(matches!(build("actor", &many), Err(FieldMapError::TooMany { count: 65, .. })));
    }

    #[test]
    fn a_required_outcome_may_come_from_a_failure_rule_alone() {
        let rule = ["/error".to_string()];
        assert!(FieldMap::new(&[], &rule, &["outcome".to_string()]).is_ok());
    }
}
