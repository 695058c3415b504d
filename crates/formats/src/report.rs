//! What became of each part of an input.

use serde::{Deserialize, Serialize};

/// One row: a key of the input that is not plainly kept, or a value that was filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub outcome: Outcome,
    /// The path of keys: `components.web.ports`.
    pub at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Where it is another file than the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    pub message: String,
    /// What to do about it, where something can be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Means the same as it did.
    Kept,
    /// Means the same in another form, or was filled in.
    Adapted,
    /// Cannot be done; the remedy says what can.
    Refused,
    /// Has no effect by nature.
    Ignored,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Kept => "kept",
            Outcome::Adapted => "adapted",
            Outcome::Refused => "refused",
            Outcome::Ignored => "ignored",
        }
    }
}

impl Row {
    pub fn new(outcome: Outcome, at: impl Into<String>, message: impl Into<String>) -> Row {
        Row {
            outcome,
            at: at.into(),
            line: None,
            file: None,
            message: message.into(),
            remedy: None,
        }
    }

    #[must_use]
    pub fn line(mut self, line: Option<u32>) -> Row {
        self.line = line;
        self
    }

    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Row {
        self.remedy = Some(remedy.into());
        self
    }
}
