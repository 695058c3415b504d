//! Names: slugs that people type, and names derived from them.

use std::fmt;
use std::str::FromStr;

use crate::text::text_newtype;

/// The longest slug, in bytes: a DNS label (RFC 1123).
pub const NAME_MAX: usize = 63;
/// Where a derived name is cut: leaves room for the suffixes that runtimes add (pod and container hashes).
pub const DERIVED_MAX: usize = 52;

/// A slug: `[a-z]([-a-z0-9]*[a-z0-9])?`, at most 63 bytes, without `--` (which joins derived names).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct Name(Box<str>);

/// Why a text is not a [`Name`]. The message names the rule and, where one exists, a name that would do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a name: {rule}{}", suggestion.as_ref().map(|s| format!("; {s:?} would do")).unwrap_or_default())]
pub struct InvalidName {
    pub text: String,
    pub rule: &'static str,
    pub suggestion: Option<String>,
}

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest valid name to any text: lower-cased, other characters as dashes, cut to length. `None` when nothing remains.
    pub fn suggest(text: &str) -> Option<Name> {
        let mut out = String::new();
        for c in text.chars().flat_map(char::to_lowercase) {
            if c.is_ascii_alphanumeric() {
                if out.is_empty() && c.is_ascii_digit() {
                    out.push('n');
                }
                out.push(c);
            } else if !out.is_empty() && !out.ends_with('-') {
                out.push('-');
            }
            if out.len() == NAME_MAX {
                break;
            }
        }
        // A name by construction: parsing it here would ask for a suggestion again when nothing remains.
        let name = out.trim_end_matches('-');
        (!name.is_empty()).then(|| Name(name.into()))
    }
}

impl FromStr for Name {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let bytes = text.as_bytes();
        let rule = if bytes.is_empty() {
            Some("it is empty")
        } else if bytes.len() > NAME_MAX {
            Some("it is longer than 63 characters")
        } else if !bytes[0].is_ascii_lowercase() {
            Some("it must start with a letter a-z")
        } else if !bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        {
            Some("only a-z, 0-9 and - are allowed")
        } else if bytes[bytes.len() - 1] == b'-' {
            Some("it must end with a letter or a digit")
        } else if text.contains("--") {
            Some("two dashes in a row are reserved for derived names")
        } else {
            None
        };
        match rule {
            None => Ok(Name(text.into())),
            Some(rule) => Err(InvalidName {
                text: text.to_owned(),
                rule,
                suggestion: if text.len() > 200 {
                    None
                } else {
                    Name::suggest(text).map(|n| n.to_string())
                },
            }),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}
impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, out)
    }
}
impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}
impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
text_newtype!(
    Name,
    Some("^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"),
    "a name: a-z, 0-9 and single dashes, starting with a letter"
);

/// Joins parts with `--`. A result over [`DERIVED_MAX`] bytes is cut and ends in eight hex digits of its SHA-256, so
/// that two long names never meet. `derived(&["shop", "web"]) == "shop--web"`.
pub fn derived(parts: &[&str]) -> String {
    use sha2::Digest;
    let whole = parts.join("--");
    if whole.len() <= DERIVED_MAX {
        return whole;
    }
    let hash = hex::encode(&sha2::Sha256::digest(whole.as_bytes())[..4]);
    let mut cut = DERIVED_MAX - hash.len() - 1;
    while !whole.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}-{hash}", whole[..cut].trim_end_matches('-'))
}

/// Whether a text may be looked up as a host: labels of letters, digits, dashes and, as people have them, underscores; 63 bytes each
/// and 253 together (RFC 1035).
pub fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// The name of one of several: `db-1`. One that would be too long is cut as [`derived`] cuts.
pub fn numbered(base: &Name, number: u32) -> Name {
    // A name by construction: `base` has no two dashes in a row, and a cut one ends in hex digits.
    Name(derived(&[&format!("{base}-{number}")]).into())
}

/// The name of an environment variable or a secret: `[A-Za-z_][A-Za-z0-9_.:-]*`, at most 256 bytes. Engines take any name;
/// with colons .NET names what is nested (`ConnectionStrings:Default`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct EnvName(Box<str>);

impl EnvName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl FromStr for EnvName {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let ok = !text.is_empty()
            && text.len() <= 256
            && !text.as_bytes()[0].is_ascii_digit()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b':'));
        if ok {
            return Ok(EnvName(text.into()));
        }
        Err(InvalidName {
            text: text.to_owned(),
            rule: "a variable is letters, digits and _, not starting with a digit",
            suggestion: None,
        })
    }
}
impl fmt::Display for EnvName {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}
impl fmt::Debug for EnvName {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, out)
    }
}
impl std::borrow::Borrow<str> for EnvName {
    fn borrow(&self) -> &str {
        &self.0
    }
}
text_newtype!(
    EnvName,
    Some("^[A-Za-z_][A-Za-z0-9_.:-]{0,255}$"),
    "the name of an environment variable or secret"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_slug_rule_and_suggest_a_neighbour() {
        for good in ["a", "shop", "web-2", "a1"] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for (bad, suggestion) in [
            ("Shop", Some("shop")),
            ("my app", Some("my-app")),
            ("a--b", Some("a-b")),
            ("1up", Some("n1up")),
            ("-", None),
            ("", None),
            ("a-", Some("a")),
        ] {
            assert_eq!(
                bad.parse::<Name>().unwrap_err().suggestion.as_deref(),
                suggestion,
                "{bad}"
            );
        }
    }

    #[test]
    fn a_variable_may_be_called_as_programs_nest_them() {
        for good in ["A", "_a", "a.b", "a-b", "ConnectionStrings:Default"] {
            assert!(good.parse::<EnvName>().is_ok(), "{good}");
        }
        for bad in ["", "1A", "A=B", "A B"] {
            assert!(bad.parse::<EnvName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_number_makes_a_name_of_a_name() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        assert_eq!(numbered(&name("db"), 0).as_str(), "db-0");
        let long = name(&"a".repeat(63));
        for number in [0, 7, 4_000_000_000] {
            let numbered = numbered(&long, number);
            assert_eq!(numbered.as_str().parse(), Ok(numbered.clone()));
        }
        assert_ne!(numbered(&long, 1), numbered(&long, 2));
    }

    #[test]
    fn derived_names_are_cut_with_a_hash_and_stay_distinct() {
        assert_eq!(derived(&["shop", "web"]), "shop--web");
        let (a, b) = ("a".repeat(60), format!("{}b", "a".repeat(59)));
        assert_eq!(derived(&[&a, "x"]).len(), DERIVED_MAX);
        assert_ne!(derived(&[&a, "x"]), derived(&[&b, "x"]));
    }

    proptest::proptest! {
        #[test]
        fn a_suggestion_is_always_a_name(text in ".{0,80}") {
            if let Some(name) = Name::suggest(&text) {
                proptest::prop_assert!(name.as_str().parse::<Name>().is_ok());
            }
        }
    }
}
