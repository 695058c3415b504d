//! Manifests: OCI images and indexes, Docker's schema 2. Read for what they name, kept byte by byte.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::failure::{Code, Failure};
use crate::name::Digest;

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The media type of a configuration that says nothing.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The largest manifest that is taken; the specification asks for four megabytes at least.
pub(crate) const LARGEST: usize = 4 << 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
    #[serde(default)]
    subject: Option<Descriptor>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    urls: Vec<String>,
}

impl Descriptor {
    /// Layers that are kept elsewhere by their licence are named and not pushed.
    fn is_elsewhere(&self) -> bool {
        !self.urls.is_empty()
            || self.media_type.contains("nondistributable")
            || self.media_type.contains("foreign")
    }
}

/// What a manifest says that the registry has to know.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) media_type: String,
    /// Configuration and layers: they must be there first.
    pub(crate) needs: Vec<String>,
    /// Manifests of an index: some of them may not be there.
    pub(crate) may_need: Vec<String>,
    pub(crate) subject: Option<String>,
    pub(crate) artifact_type: Option<String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// `declared`: the request's Content-Type.
    pub(crate) fn read(bytes: &[u8], declared: Option<&str>) -> Result<Manifest, Failure> {
        let invalid = |why: String| Failure::of(Code::ManifestInvalid, why);
        let text: Text = serde_json::from_slice(bytes)
            .map_err(|error| invalid(format!("the manifest is not readable: {error}")))?;
        if text.schema_version != 2 {
            return Err(invalid(
                "only manifests of schema version 2 are taken".to_owned(),
            ));
        }
        let declared = declared.map(|kind| kind.split(';').next().unwrap_or(kind).trim());
        let media_type = match (text.media_type.as_deref(), declared) {
            (Some(own), Some(declared)) if own != declared => {
                return Err(invalid(format!(
                    "its mediaType is {own}, the request's Content-Type {declared}"
                )));
            }
            (Some(kind), _) | (None, Some(kind)) => kind,
            (None, None) if text.config.is_some() => OCI_MANIFEST,
            (None, None) => OCI_INDEX,
        };
        let is_index = match media_type {
            OCI_MANIFEST | DOCKER_MANIFEST => false,
            OCI_INDEX | DOCKER_LIST => true,
            other => return Err(invalid(format!("manifests of type {other} are not taken"))),
        };
        if !is_index && text.config.is_none() {
            return Err(invalid(
                "an image's manifest names a configuration".to_owned(),
            ));
        }
        let digest = |descriptor: &Descriptor| -> Result<String, Failure> {
            let digest: Digest = descriptor.digest.parse().map_err(|_| {
                invalid(format!(
                    "it names {:?}, which is no sha256 digest",
                    descriptor.digest
                ))
            })?;
            Ok(digest.as_str().to_owned())
        };
        let mut needs = Vec::new();
        if !is_index {
            let layers = text.layers.iter().filter(|layer| !layer.is_elsewhere());
            for descriptor in text.config.iter().chain(layers) {
                let digest = digest(descriptor)?;
                if !needs.contains(&digest) {
                    needs.push(digest);
                }
            }
        }
        let parts: &[Descriptor] = if is_index { &text.manifests } else { &[] };
        // An image says what it is by its configuration's type, where it does not say so itself.
        let by_config = || {
            let config = text.config.as_ref().filter(|_| !is_index)?;
            (config.media_type != EMPTY).then(|| config.media_type.clone())
        };
        Ok(Manifest {
            media_type: media_type.to_owned(),
            needs,
            may_need: parts.iter().map(digest).collect::<Result<_, _>>()?,
            subject: text.subject.as_ref().map(digest).transpose()?,
            artifact_type: text
                .artifact_type
                .clone()
                .filter(|kind| !kind.is_empty())
                .or_else(by_config),
            annotations: text.annotations.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(of: u8) -> String {
        format!("sha256:{}", hex::encode([of; 32]))
    }

    #[test]
    fn an_image_needs_its_configuration_and_layers_and_no_layer_that_is_kept_elsewhere() {
        let text = serde_json::json!({
            "schemaVersion": 2,
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(1), "size": 1 },
            "layers": [
                { "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(2), "size": 1 },
                { "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(2), "size": 1 },
                { "mediaType": "x", "digest": digest(3), "size": 1, "urls": ["https://example.org"] }
            ],
            "subject": { "mediaType": OCI_MANIFEST, "digest": digest(4), "size": 1 }
        });
        let read = Manifest::read(text.to_string().as_bytes(), None).unwrap();
        assert_eq!(read.media_type, OCI_MANIFEST);
        assert_eq!(read.needs, [digest(1), digest(2)]);
        assert_eq!(read.subject, Some(digest(4)));
        assert_eq!(
            read.artifact_type.as_deref(),
            Some("application/vnd.oci.image.config.v1+json")
        );
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        for (text, kind) in [
            ("nonsense", None),
            (r#"{"schemaVersion":1}"#, None),
            (r#"{"schemaVersion":2}"#, Some("text/plain")),
            (r#"{"schemaVersion":2}"#, Some(OCI_MANIFEST)),
            (
                r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}"#,
                Some(OCI_MANIFEST),
            ),
            (
                r#"{"schemaVersion":2,"manifests":[{"digest":"md5:1"}]}"#,
                Some(OCI_INDEX),
            ),
        ] {
            let failure = Manifest::read(text.as_bytes(), kind).unwrap_err();
            assert_eq!(failure.code, Code::ManifestInvalid, "{text}");
        }
        assert!(Manifest::read(br#"{"schemaVersion":2,"manifests":[]}"#, None).is_ok());
    }
}
