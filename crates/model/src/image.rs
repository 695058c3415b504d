//! Image references and digests.

use std::fmt;
use std::str::FromStr;

use crate::text::text_newtype;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an image reference: {rule}")]
pub struct InvalidImage {
    pub text: String,
    pub rule: &'static str,
}

/// `[registry/]repository[:tag][@digest]`, with Docker's defaults made explicit: host `docker.io`, namespace `library`,
/// tag `latest`. (Grammar: github.com/distribution/reference.)
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    registry: Box<str>,
    repository: Box<str>,
    tag: Option<Box<str>>,
    digest: Option<Box<str>>,
}

impl ImageReference {
    /// `docker.io`, `localhost:5000`, `ghcr.io` …
    pub fn registry(&self) -> &str {
        &self.registry
    }
    /// Path in the registry, without host: `library/nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }
    /// `sha256:…` when the reference is pinned.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }
    /// The last path segment, a good default for an application's name.
    pub fn short_name(&self) -> &str {
        self.repository
            .rsplit('/')
            .next()
            .unwrap_or(&self.repository)
    }
    /// Images under `localhost/` exist only in an engine's store; no registry serves them.
    pub fn is_local(&self) -> bool {
        &*self.registry == "localhost"
    }
}

/// Of registry and repository, written out. (Source: github.com/distribution/reference, `RepositoryNameTotalLengthMax`.)
const LONGEST_NAME: usize = 255;

impl FromStr for ImageReference {
    type Err = InvalidImage;
    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        let fail = |rule| InvalidImage {
            text: text.to_owned(),
            rule,
        };
        if text.is_empty() || text.len() > 512 {
            return Err(fail("it is empty or longer than 512 characters"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let ok = digest.strip_prefix("sha256:").is_some_and(|h| {
                    h.len() == 64
                        && h.bytes()
                            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
                });
                if !ok {
                    return Err(fail("what follows @ must be sha256: and 64 hex digits"));
                }
                (rest, Some(digest))
            }
            None => (text, None),
        };
        let (path, tag) = match rest.rfind(':') {
            Some(colon) if !rest[colon..].contains('/') => {
                (&rest[..colon], Some(&rest[colon + 1..]))
            }
            _ => (rest, None),
        };
        if let Some(tag) = tag {
            let ok = !tag.is_empty()
                && tag.len() <= 128
                && tag.bytes().enumerate().all(|(i, b)| {
                    b.is_ascii_alphanumeric() || b == b'_' || (i > 0 && matches!(b, b'.' | b'-'))
                });
            if !ok {
                return Err(fail(
                    "the tag may hold letters, digits, _ . and -, at most 128",
                ));
            }
        }
        let (registry, repository) = match path.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
                (host, path.to_owned())
            }
            Some(_) => ("docker.io", path.to_owned()),
            None => ("docker.io", format!("library/{path}")),
        };
        let registry = if registry == "index.docker.io" {
            "docker.io"
        } else {
            registry
        };
        // `docker.io/nginx` is what `nginx` is.
        let repository = if registry == "docker.io" && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository
        };
        let host_ok = !registry.is_empty()
            && registry.bytes().all(|b| {
                b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']')
            });
        if !host_ok {
            return Err(fail("the registry is not a host name"));
        }
        let segment_ok = |s: &str| {
            !s.is_empty()
                && s.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
                })
                && s.as_bytes()[0].is_ascii_alphanumeric()
                && s.as_bytes()[s.len() - 1].is_ascii_alphanumeric()
        };
        if !repository.split('/').all(segment_ok) {
            return Err(fail(
                "the repository may hold lower-case letters, digits and . _ - between them",
            ));
        }
        if registry.len() + 1 + repository.len() > LONGEST_NAME {
            return Err(fail(
                "registry and repository together are longer than 255 characters",
            ));
        }
        let tag = match (tag, digest) {
            (None, None) => Some("latest"),
            (tag, _) => tag,
        };
        Ok(ImageReference {
            registry: registry.into(),
            repository: repository.into(),
            tag: tag.map(Into::into),
            digest: digest.map(Into::into),
        })
    }
}
impl fmt::Display for ImageReference {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(out, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(out, "@{digest}")?;
        }
        Ok(())
    }
}
impl fmt::Debug for ImageReference {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{self}")
    }
}
text_newtype!(
    ImageReference,
    None,
    "an image: [registry/]repository[:tag][@sha256:…]"
);

/// A SHA-256 over a canonical form, as 64 hex digits. Two equal hashes mean equal content.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct ContentHash(Box<str>);

impl ContentHash {
    /// Hashes the JSON form of a value. `serde_json` writes struct fields in their order and `IndexMap`s in theirs, so
    /// equal values give equal hashes.
    pub fn of(value: &impl serde::Serialize) -> ContentHash {
        use sha2::Digest;
        let json = serde_json::to_vec(value).expect("model types serialise");
        ContentHash(hex::encode(sha2::Sha256::digest(json)).into())
    }
    pub fn from_hex(hex: &str) -> Option<ContentHash> {
        (hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .then(|| ContentHash(hex.into()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The first ten digits: enough to tell releases of one component apart in a name.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}
impl fmt::Display for ContentHash {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}
impl fmt::Debug for ContentHash {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_take_dockers_defaults() {
        for (text, whole) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("grafana/grafana:11", "docker.io/grafana/grafana:11"),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
            ("localhost/report:1", "localhost/report:1"),
            ("ghcr.io/x/y:v1.2", "ghcr.io/x/y:v1.2"),
        ] {
            assert_eq!(text.parse::<ImageReference>().unwrap().to_string(), whole);
        }
        for bad in [
            "",
            "UPPER/case",
            "a:b:c",
            "nginx:",
            "a//b",
            "x@sha256:12",
            "-a",
        ] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad}");
        }
        let longest = "a".repeat(255 - "docker.io/library/".len());
        let written = longest.parse::<ImageReference>().unwrap().to_string();
        assert!(written.parse::<ImageReference>().is_ok());
        assert!(format!("{longest}a").parse::<ImageReference>().is_err());
    }
}
