//! `[images]`: the registry that clusters pull from.

use std::net::SocketAddr;
use std::path::PathBuf;

use pluvio_model::problem::{self, Problem};
use pluvio_model::quantity::{Bytes, Span};
use serde::{Deserialize, Serialize};

use super::{Setting, optional, pick};

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Images {
    /// Nothing is served when absent.
    pub(crate) listen: Setting<Option<SocketAddr>>,
    /// How clusters reach it, where that is not `listen`: behind a name, a proxy, another port.
    pub(crate) url: Setting<Option<String>>,
    /// PEM files; plain HTTP without them.
    pub(crate) certificate: Setting<Option<String>>,
    pub(crate) key: Setting<Option<String>>,
    /// What a team may hold, where it has no quota of its own.
    pub(crate) quota: Setting<Option<Bytes>>,
    /// What was pushed or asked for so recently is not collected.
    pub(crate) grace: Setting<Span>,
    /// The newest tags of each repository that are kept; 0: all.
    pub(crate) keep_tags: Setting<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Section {
    listen: Option<String>,
    url: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    quota: Option<Bytes>,
    grace: Option<Span>,
    keep_tags: Option<usize>,
}

/// A setting whose text has to be read.
fn parsed<T>(
    setting: Setting<Option<String>>,
    key: &str,
    read: impl FnOnce(&str) -> Option<T>,
    form: &str,
) -> Result<Setting<Option<T>>, Problem> {
    let value = match &setting.value {
        None => None,
        Some(text) => Some(read(text).ok_or_else(|| {
            problem::CONFIG_INVALID.problem(
                format!("images.{key} is {text:?}."),
                format!("Write it as {form}."),
            )
        })?),
    };
    Ok(Setting {
        value,
        from: setting.from,
    })
}

impl Images {
    pub(super) fn read(file: Section) -> Result<Images, Problem> {
        let listen = optional("IMAGES_LISTEN", None, file.listen);
        let url = optional("IMAGES_URL", None, file.url);
        let quota = optional(
            "IMAGES_QUOTA",
            None,
            file.quota.map(|quota| quota.0.to_string()),
        );
        let images = Images {
            listen: parsed(
                listen,
                "listen",
                |text| text.parse().ok(),
                "ADDRESS:PORT, such as 10.0.0.5:5000",
            )?,
            url: parsed(
                url,
                "url",
                url_of,
                "https://HOST or http://HOST:PORT, without a path",
            )?,
            certificate: optional("IMAGES_CERTIFICATE", None, file.certificate),
            key: optional("IMAGES_KEY", None, file.key),
            quota: parsed(quota, "quota", |text| text.parse().ok(), "20Gi or 500Mi")?,
            grace: pick("IMAGES_GRACE", None, file.grace, Span::seconds(24 * 3600))?,
            keep_tags: pick("IMAGES_KEEP_TAGS", None, file.keep_tags, 0)?,
        };
        if images.certificate.value.is_some() != images.key.value.is_some() {
            return Err(problem::CONFIG_INVALID.problem(
                "Of images.certificate and images.key only one is set.",
                "Set both for TLS, or none for plain HTTP.",
            ));
        }
        Ok(images)
    }

    /// How clusters reach the registry; `None` where none is.
    pub(crate) fn address(&self) -> Option<String> {
        if let Some(url) = &self.url.value {
            return Some(url.clone());
        }
        let scheme = if self.tls().is_some() {
            "https"
        } else {
            "http"
        };
        self.listen
            .value
            .map(|listen| format!("{scheme}://{listen}"))
    }

    /// Certificate and key.
    pub(crate) fn tls(&self) -> Option<(PathBuf, PathBuf)> {
        let (certificate, key) = (self.certificate.value.as_ref()?, self.key.value.as_ref()?);
        Some((certificate.into(), key.into()))
    }
}

fn url_of(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_named_as_it_is_reached() {
        let section = |text: &str| Images::read(toml::from_str(text).unwrap());
        let off = section("").unwrap();
        assert_eq!((off.listen.value, off.address()), (None, None));
        let plain = section("listen = \"10.0.0.5:5000\"\nquota = \"1Gi\"").unwrap();
        assert_eq!(plain.address().as_deref(), Some("http://10.0.0.5:5000"));
        assert_eq!(plain.quota.value, Some(Bytes(1 << 30)));
        let tls = section(
            "listen = \"[::]:443\"\nurl = \"https://images.example.org/\"\ncertificate = \"a\"\nkey = \"b\"",
        );
        assert_eq!(
            tls.unwrap().address().as_deref(),
            Some("https://images.example.org")
        );
        for bad in [
            "listen = \"5000\"",
            "url = \"images.example.org\"",
            "url = \"https://a/b\"",
            "key = \"b\"",
        ] {
            assert!(section(bad).is_err(), "{bad}");
        }
    }
}
