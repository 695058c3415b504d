//! Names of the distribution specification: repositories, tags, digests. Only parsing makes them.

use std::fmt;
use std::str::FromStr;

use pluvio_store::BlobKey;

use crate::failure::{Code, Failure};

/// `TEAM/PATH…`: lower-case segments, as the specification has them. The first is the team's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(Box<str>);

impl Repository {
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The team that it belongs to.
    pub fn team(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for Repository {
    type Err = Failure;
    fn from_str(text: &str) -> Result<Self, Failure> {
        if text.len() <= 255 && text.contains('/') && text.split('/').all(segment) {
            return Ok(Repository(text.into()));
        }
        Err(Failure::of(
            Code::NameInvalid,
            "a repository is TEAM/NAME: lower-case letters and digits, parted by single dots, one or two underscores or dashes",
        ))
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    if !plain(*first) || !plain(*last) {
        return false;
    }
    let parts = bytes.chunk_by(|a, b| plain(*a) == plain(*b));
    parts
        .filter(|part| !plain(part[0]))
        .all(|part| matches!(part, b"." | b"_" | b"__") || part.iter().all(|byte| *byte == b'-'))
}

/// `sha256:` or `sha512:` and its lower-case hexadecimal digits. What Pluvio makes itself has the first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(Box<str>);

/// The algorithms that are taken, and how many digits they give.
const ALGORITHMS: [(&str, usize); 2] = [("sha256", 64), ("sha512", 128)];

impl Digest {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn of(hash: sha2::Sha256) -> Digest {
        let sum = sha2::Digest::finalize(hash);
        Digest(format!("sha256:{}", hex::encode(sum)).into())
    }

    pub(crate) fn of_bytes(bytes: &[u8]) -> Digest {
        Digest::of(sha2::Digest::new_with_prefix(bytes))
    }

    /// The digest of these bytes by this one's algorithm.
    pub(crate) fn alike(&self, bytes: &[u8]) -> Digest {
        match self.is_sha512() {
            true => Digest::of_512(sha2::Digest::new_with_prefix(bytes)),
            false => Digest::of_bytes(bytes),
        }
    }

    pub(crate) fn is_sha512(&self) -> bool {
        self.0.starts_with("sha512:")
    }

    pub(crate) fn of_512(hash: sha2::Sha512) -> Digest {
        let sum = sha2::Digest::finalize(hash);
        Digest(format!("sha512:{}", hex::encode(sum)).into())
    }

    /// Where its content lies.
    pub(crate) fn key(&self) -> BlobKey {
        let (algorithm, hex) = self.0.split_once(':').unwrap_or_default();
        let key = format!(
            "{}/{algorithm}/{}/{hex}",
            crate::contents::CONTENTS,
            &hex[..2]
        );
        key.parse().expect("hexadecimal digits are a key")
    }

    /// The digest whose content lies there.
    pub(crate) fn of_key(key: &BlobKey) -> Option<Digest> {
        let mut parts = key.as_str().rsplit('/');
        let (hex, _, algorithm) = (parts.next()?, parts.next()?, parts.next()?);
        format!("{algorithm}:{hex}").parse().ok()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = Failure;
    fn from_str(text: &str) -> Result<Self, Failure> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let (algorithm, hex) = text.split_once(':').unwrap_or_default();
        match ALGORITHMS.contains(&(algorithm, hex.len())) && hex.bytes().all(digit) {
            true => Ok(Digest(text.into())),
            false => Err(Failure::of(
                Code::DigestInvalid,
                "a digest here is sha256: and 64, or sha512: and 128, lower-case hexadecimal digits",
            )),
        }
    }
}

/// A tag, or a digest in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    Tag(String),
    Digest(Digest),
}

impl Reference {
    pub fn as_str(&self) -> &str {
        match self {
            Reference::Tag(tag) => tag,
            Reference::Digest(digest) => digest.as_str(),
        }
    }
}

impl FromStr for Reference {
    type Err = Failure;
    fn from_str(text: &str) -> Result<Self, Failure> {
        if text.contains(':') {
            return text.parse().map(Reference::Digest);
        }
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(word);
        if first && text.len() <= 128 && bytes.all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
        {
            return Ok(Reference::Tag(text.to_owned()));
        }
        Err(Failure::of(
            Code::ManifestInvalid,
            "a tag has 1 to 128 letters, digits, _ . and -, and begins with none of the last two",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_what_the_specification_says_below_a_team() {
        for good in ["main/shop", "main/shop/web", "a/b.c_d__e---f", "0/1"] {
            assert!(good.parse::<Repository>().is_ok(), "{good}");
        }
        for bad in [
            "shop",
            "main/",
            "/shop",
            "main//shop",
            "Main/shop",
            "main/-a",
            "main/a.",
            "main/a..b",
            "main/a___b",
            "main/a._b",
            "main/../x",
            "main/a b",
            "",
        ] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
        assert_eq!(
            "main/shop/web".parse::<Repository>().unwrap().team(),
            "main"
        );
    }

    #[test]
    fn references_are_tags_or_digests() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        assert!(matches!(digest.parse(), Ok(Reference::Digest(_))));
        for tag in ["latest", "v1.2-rc_3", "_x", &"a".repeat(128)] {
            assert!(matches!(tag.parse(), Ok(Reference::Tag(_))), "{tag}");
        }
        for bad in [
            "",
            ".x",
            "-x",
            "a/b",
            "sha256:12",
            &"a".repeat(129),
            &digest.to_uppercase(),
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }
}
