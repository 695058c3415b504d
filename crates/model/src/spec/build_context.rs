//! What a Dockerfile may name beside the files of its own context.

use std::fmt;
use std::str::FromStr;

use super::source::GitSource;
use crate::image::ImageReference;
use crate::name::Name;
use crate::text::text_newtype;

/// Begins what is an image.
const IMAGE: &str = "docker-image://";
/// Begins what another component runs.
const COMPONENT: &str = "component:";
const GIT: [&str; 6] = ["https://", "http://", "ssh://", "git://", "file://", "git@"];

/// Files that `FROM NAME`, `COPY --from=NAME` and `RUN --mount=from=NAME` take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildContext {
    /// A folder of the source, from its root: that of the file, of the archive or of the repository.
    Folder(String),
    /// `URL#REF:FOLDER`
    Git(GitSource),
    /// `docker-image://IMAGE`
    Image(ImageReference),
    /// `component:NAME`: the image of another component of the application.
    Component(Name),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no context of a build: {rule}")]
pub struct InvalidContext {
    pub text: String,
    pub rule: String,
}

impl FromStr for BuildContext {
    type Err = InvalidContext;
    fn from_str(text: &str) -> Result<Self, InvalidContext> {
        let invalid = |rule: String| InvalidContext {
            text: text.to_owned(),
            rule,
        };
        if let Some(image) = text.strip_prefix(IMAGE) {
            let image = image.parse().map(BuildContext::Image);
            return image.map_err(|e| invalid(e.to_string()));
        }
        if let Some(name) = text.strip_prefix(COMPONENT) {
            let name = name.parse().map(BuildContext::Component);
            return name.map_err(|e| invalid(e.to_string()));
        }
        if GIT.iter().any(|start| text.starts_with(start)) {
            return Ok(BuildContext::Git(GitSource::of(text)));
        }
        let foreign = ["service:", "target:"]
            .iter()
            .any(|start| text.starts_with(start));
        if text.is_empty() || foreign || text.contains("://") {
            return Err(invalid(
                "write a folder, the address of a Git repository, docker-image://IMAGE or component:NAME"
                    .to_owned(),
            ));
        }
        Ok(BuildContext::Folder(text.to_owned()))
    }
}

impl fmt::Display for BuildContext {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            BuildContext::Folder(path) => out.write_str(path),
            BuildContext::Image(image) => write!(out, "{IMAGE}{image}"),
            BuildContext::Component(name) => write!(out, "{COMPONENT}{name}"),
            BuildContext::Git(git) => {
                out.write_str(&git.url)?;
                match (&git.reference, &git.path) {
                    (None, None) => Ok(()),
                    (Some(reference), None) => write!(out, "#{reference}"),
                    (reference, Some(path)) => {
                        write!(out, "#{}:{path}", reference.as_deref().unwrap_or_default())
                    }
                }
            }
        }
    }
}

text_newtype!(
    BuildContext,
    None,
    "files for a build: a folder of the source, URL#REF:FOLDER of a Git repository, docker-image://IMAGE or component:NAME"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_a_folder_a_repository_an_image_or_a_component() {
        let read = |text: &str| text.parse::<BuildContext>();
        assert_eq!(
            read("docker-image://alpine:3"),
            Ok(BuildContext::Image("alpine:3".parse().unwrap()))
        );
        assert_eq!(
            read("component:base"),
            Ok(BuildContext::Component("base".parse().unwrap()))
        );
        assert_eq!(
            read("../shared"),
            Ok(BuildContext::Folder("../shared".to_owned()))
        );
        for text in [
            "https://git.example.org/a.git",
            "https://git.example.org/a.git#v1",
            "git@git.example.org:a.git#:sub",
            "ssh://git@git.example.org/a#main:sub/folder",
        ] {
            let context = read(text).unwrap();
            assert!(matches!(context, BuildContext::Git(_)), "{text}");
            assert_eq!(context.to_string(), text);
        }
        for text in [
            "",
            "service:base",
            "target:base",
            "oci-layout://a",
            "docker-image://A B",
            "component:A B",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
