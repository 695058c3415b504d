//! A volume that an engine has already, by the engine's own name.

use std::fmt;
use std::str::FromStr;

use crate::text::text_newtype;

/// The engine's name of a volume: letters, digits, `_`, `.` and `-`; begins with a letter or digit, so it is no path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EngineVolume(Box<str>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an engine's name of a volume: letters, digits, `_`, `.` and `-` behind a letter or digit, such as shop_data"
)]
pub struct InvalidEngineVolume(pub String);

impl EngineVolume {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EngineVolume {
    type Err = InvalidEngineVolume;
    fn from_str(text: &str) -> Result<Self, InvalidEngineVolume> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(known)
            && text.len() <= 255
        {
            Ok(EngineVolume(text.into()))
        } else {
            Err(InvalidEngineVolume(text.to_owned()))
        }
    }
}

impl fmt::Display for EngineVolume {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

text_newtype!(
    EngineVolume,
    Some("^[A-Za-z0-9][A-Za-z0-9_.-]*$"),
    "the engine's name of a volume that it has"
);

#[cfg(test)]
mod tests {
    use super::EngineVolume;

    #[test]
    fn a_path_is_no_volume() {
        for text in ["shop_data", "a", "4f.x-Y"] {
            assert!(text.parse::<EngineVolume>().is_ok(), "{text}");
        }
        for text in ["", "/srv", "./a", "a/b", "-a", "_a", "a:b", "a b", "ä"] {
            assert!(text.parse::<EngineVolume>().is_err(), "{text}");
        }
    }
}
