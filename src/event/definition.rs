//! What a field map is made of, as text: kept beside what was read with it, so that the same can be read again.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::FieldMap;

/// How the values of the columns are read. To be raised whenever the same map finds other values in the
/// same event than before.
const READING: u32 = 1;

/// Why a text gives no field map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// It is not what [`FieldMap::definition`] writes.
    #[error("it is no field map")]
    Invalid,
    /// Another version of the program wrote it, which reads events in another way.
    #[error("it is of another version of auditlogd")]
    OtherVersion,
}

/// One text for each meaning: columns in the order of their names, only those that can be found.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    version: u32,
    columns: BTreeMap<String, Vec<String>>,
    failure_if_present: Vec<String>,
}

pub(super) fn write(pointers: &[(String, Vec<String>)], failure_if_present: &[String]) -> String {
    let columns = pointers.iter().filter(|(_, list)| !list.is_empty()).cloned().collect();
    let failure_if_present = failure_if_present.to_vec();
    let definition = Definition { version: READING, columns, failure_if_present };
    // A plain struct of strings and integers cannot fail to serialize.
    serde_json::to_string(&definition).unwrap_or_default()
}

impl FieldMap {
    /// Where the columns are found, as one line of JSON: the same for any two maps that find the same
    /// columns at the same places. What is required is no part of it.
    pub fn definition(&self) -> &str {
        &self.definition
    }

    /// SHA-256 of [`FieldMap::definition`], hex: by it the ledger names a map.
    pub fn hash(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.definition.as_bytes()))
    }

    /// The map that has this definition.
    pub fn from_definition(text: &str) -> Result<Self, DefinitionError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let version = serde_json::from_str(text).map(|v: Version| v.version);
        if version.map_err(|_| DefinitionError::Invalid)? != READING {
            return Err(DefinitionError::OtherVersion);
        }
        let parsed = serde_json::from_str(text).map_err(|_| DefinitionError::Invalid)?;
        let Definition { columns, failure_if_present, .. } = parsed;
        let pointers: Vec<_> = columns.into_iter().collect();
        let map = Self::new(&pointers, &failure_if_present, &[]);
        map.ok().filter(|map| map.definition == text).ok_or(DefinitionError::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{builtin_pointers, parse};

    fn map(actor: &str, require: &[String]) -> FieldMap {
        let actor = ("actor".to_owned(), vec![actor.to_owned()]);
        let target = ("target".to_owned(), vec!["/on".to_owned()]);
        let unused = ("action".to_owned(), vec![]);
        FieldMap::new(&[target, actor, unused], &["/error".to_owned()], require).expect("a map")
    }

    #[test]
    fn a_map_made_from_a_definition_finds_the_same() {
        let text = r#"{"by":{"id":"ann"},"on":"x","error":"no"}"#;
        let one = map("/by", &[]);
        let two = FieldMap::from_definition(one.definition()).expect("a definition");
        let (one_found, two_found) = (parse(text, &one), parse(text, &two));
        assert_eq!(one_found.as_ref().map(|e| e.actor.as_deref()), Ok(Some("ann")));
        assert_eq!(one_found, two_found);
        assert_eq!((one.definition(), one.hash()), (two.definition(), two.hash()));
    }

    #[test]
    fn only_what_decides_what_is_found_is_part_of_it() {
        assert_eq!(map("/a", &[]).hash(), map("/a", &["actor".to_owned()]).hash());
        assert_ne!(map("/a", &[]).hash(), map("/b", &[]).hash());
        let given = FieldMap::new(&builtin_pointers(), &[], &[]).expect("a map");
        assert_eq!(given.definition(), FieldMap::builtin().definition());
    }

    #[test]
    fn other_texts_are_refused() {
        let good = map("/a", &[]).definition().to_owned();
        for bad in ["", "{}", "[1]", &good.replace('{', "{ "), &good.replace("actor", "actors")] {
            assert_eq!(
                FieldMap::from_definition(bad).err(),
                Some(DefinitionError::Invalid),
                "{bad}"
            );
        }
        let later = good.replacen("\"version\":1", "\"version\":99", 1);
        assert_eq!(FieldMap::from_definition(&later).err(), Some(DefinitionError::OtherVersion));
    }
}
