//! A rendered value: text in which secrets are still references.
//!
//! `decide` resolves everything else; the executor puts the values in where the container is made. So releases, diffs and
//! logs never hold a secret, and a value that contains one is known to be secret.

use serde::{Deserialize, Serialize};

use crate::name::EnvName;

/// One version of one secret of the application.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretRef {
    pub name: EnvName,
    pub version: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Text(String),
    Secret(SecretRef),
}

/// Text and secrets in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rendered(pub Vec<Part>);

impl Rendered {
    pub fn text(text: impl Into<String>) -> Rendered {
        Rendered(vec![Part::Text(text.into())])
    }

    pub fn is_secret(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Secret(_)))
    }

    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        self.0.iter().filter_map(|part| match part {
            Part::Secret(secret) => Some(secret),
            Part::Text(_) => None,
        })
    }

    /// The text with secrets put in by `value`; `Err` names the first that has none.
    pub fn resolve(
        &self,
        value: impl Fn(&SecretRef) -> Option<String>,
    ) -> Result<String, &SecretRef> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Secret(secret) => out.push_str(&value(secret).ok_or(secret)?),
            }
        }
        Ok(out)
    }

    /// For people: each secret as `${secrets.NAME}`.
    pub fn masked(&self) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Secret(secret) => format!("${{secrets.{}}}", secret.name),
            })
            .collect()
    }
}
