//! Settings: read once, typed, each with where it came from. Later wins: default, `pluvio.toml`, `PLUVIO_*`, flag.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use pluvio_model::problem::{self, Problem};
use pluvio_model::quantity::Span;
use serde::{Deserialize, Serialize};

use crate::cli::UpArgs;

mod images;

pub(crate) use images::Images;

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum From {
    Default,
    File,
    Environment,
    Flag,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) from: From,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    /// Applications answer at `APP.DOMAIN`.
    pub(crate) domain: Setting<String>,
    pub(crate) listen: Setting<IpAddr>,
    pub(crate) port: Setting<u16>,
    pub(crate) gateway_port: Setting<u16>,
    pub(crate) operations_port: Setting<u16>,
    /// The engine's socket; the first that answers when absent.
    pub(crate) engine: Setting<Option<String>>,
    /// Shown without its password.
    #[serde(serialize_with = "masked")]
    pub(crate) database: Setting<String>,
    /// Where base images come from; from the distribution's packages when absent or out of reach.
    pub(crate) registry: Setting<Option<String>>,
    /// Builds at once.
    pub(crate) builds: Setting<usize>,
    /// Make common base images ahead of the first build.
    pub(crate) warm_bases: Setting<bool>,
    /// Networks of applications are cut from it.
    pub(crate) pool: Setting<String>,
    /// How long a deleted volume can be had back.
    pub(crate) volume_grace: Setting<Span>,
    /// Whether the server fetches sources from addresses of this machine and of private networks.
    pub(crate) fetch_private: Setting<bool>,
    /// The registry of images for clusters.
    pub(crate) images: Images,
}

/// `pluvio.toml` in the data folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    domain: Option<String>,
    listen: Option<IpAddr>,
    port: Option<u16>,
    gateway_port: Option<u16>,
    operations_port: Option<u16>,
    #[serde(default)]
    database: Database,
    #[serde(default)]
    engine: EngineSection,
    #[serde(default)]
    build: Build,
    #[serde(default)]
    network: Network,
    #[serde(default)]
    volumes: Volumes,
    #[serde(default)]
    sources: Sources,
    #[serde(default)]
    images: images::Section,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Database {
    url: Option<String>,
}
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EngineSection {
    host: Option<String>,
}
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Build {
    registry: Option<String>,
    parallel: Option<usize>,
    #[serde(rename = "warm-bases")]
    warm_bases: Option<bool>,
}
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    pool: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    private_addresses: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Volumes {
    grace: Option<Span>,
}

fn masked<S: serde::Serializer>(setting: &Setting<String>, to: S) -> Result<S::Ok, S::Error> {
    let shown = match (setting.value.find("://"), setting.value.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}://…{}", &setting.value[..scheme], &setting.value[at..])
        }
        _ => setting.value.clone(),
    };
    Setting {
        value: shown,
        from: setting.from,
    }
    .serialize(to)
}

impl Config {
    pub(crate) fn read(data: &Path, flags: &UpArgs) -> Result<Config, Problem> {
        let path = data.join("pluvio.toml");
        let file: File = match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|e| {
                problem::CONFIG_INVALID.problem(
                    format!("{}: {}", path.display(), e.message()),
                    "Correct the file; `docs/operations/configuration.md` lists the keys.",
                )
            })?,
            Err(_) => File::default(),
        };
        Ok(Config {
            domain: pick(
                "DOMAIN",
                flags.domain.clone(),
                file.domain,
                "localhost".into(),
            )?,
            listen: pick(
                "LISTEN",
                flags.listen,
                file.listen,
                IpAddr::V4(Ipv4Addr::LOCALHOST),
            )?,
            port: pick("PORT", flags.port, file.port, 7080)?,
            gateway_port: pick("GATEWAY_PORT", flags.gateway_port, file.gateway_port, 8080)?,
            operations_port: pick("OPERATIONS_PORT", None, file.operations_port, 7081)?,
            engine: optional("ENGINE", flags.engine.clone(), file.engine.host),
            database: pick(
                "DATABASE_URL",
                flags.database.clone(),
                file.database.url,
                pluvio_store::Store::sqlite_url(&data.join("pluvio.db")),
            )?,
            registry: optional("BUILD_REGISTRY", None, file.build.registry),
            builds: pick(
                "BUILDS",
                None,
                file.build.parallel,
                (std::thread::available_parallelism().map_or(2, std::num::NonZero::get) / 2)
                    .clamp(1, 4),
            )?,
            warm_bases: pick("BUILD_WARM_BASES", None, file.build.warm_bases, true)?,
            pool: pick(
                "NETWORK_POOL",
                None,
                file.network.pool,
                "10.201.0.0/16".into(),
            )?,
            volume_grace: pick(
                "VOLUME_GRACE",
                None,
                file.volumes.grace,
                Span::seconds(7 * 24 * 3600),
            )?,
            fetch_private: pick(
                "SOURCES_PRIVATE_ADDRESSES",
                None,
                file.sources.private_addresses,
                false,
            )?,
            images: Images::read(file.images)?,
            data: data.to_owned(),
        })
    }

    pub(crate) fn public(&self) -> SocketAddr {
        SocketAddr::new(self.listen.value, self.port.value)
    }

    pub(crate) fn operations(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.operations_port.value)
    }

    pub(crate) fn gateway(&self) -> SocketAddr {
        SocketAddr::new(self.listen.value, self.gateway_port.value)
    }

    /// Where people reach the console.
    pub(crate) fn public_url(&self) -> String {
        let host = if self.listen.value.is_loopback() {
            "localhost".to_owned()
        } else {
            self.domain.value.clone()
        };
        format!("http://{host}:{}", self.port.value)
    }

    /// The gateway's address for people.
    pub(crate) fn gateway_url(&self) -> String {
        match self.gateway_port.value {
            80 => format!("http://*.{}", self.domain.value),
            port => format!("http://*.{}:{port}", self.domain.value),
        }
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(format!("PLUVIO_{name}"))
        .ok()
        .filter(|v| !v.is_empty())
}

fn pick<T: std::str::FromStr>(
    name: &str,
    flag: Option<T>,
    file: Option<T>,
    default: T,
) -> Result<Setting<T>, Problem> {
    if let Some(value) = flag {
        return Ok(Setting {
            value,
            from: From::Flag,
        });
    }
    if let Some(text) = environment(name) {
        let value = text.parse().map_err(|_| {
            problem::CONFIG_INVALID.problem(
                format!("PLUVIO_{name}={text:?} does not fit."),
                "Correct the variable, or leave it out.",
            )
        })?;
        return Ok(Setting {
            value,
            from: From::Environment,
        });
    }
    Ok(match file {
        Some(value) => Setting {
            value,
            from: From::File,
        },
        None => Setting {
            value: default,
            from: From::Default,
        },
    })
}

fn optional(name: &str, flag: Option<String>, file: Option<String>) -> Setting<Option<String>> {
    match (flag, environment(name), file) {
        (Some(value), ..) => Setting {
            value: Some(value),
            from: From::Flag,
        },
        (_, Some(value), _) => Setting {
            value: Some(value),
            from: From::Environment,
        },
        (_, _, Some(value)) => Setting {
            value: Some(value),
            from: From::File,
        },
        _ => Setting {
            value: None,
            from: From::Default,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_password_is_not_shown() {
        let setting = Setting {
            value: "postgres://me:secret@host/db".to_owned(),
            from: From::Flag,
        };
        let mut out = Vec::new();
        masked(&setting, &mut serde_json::Serializer::new(&mut out)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("postgres://…@host/db") && !text.contains("secret"),
            "{text}"
        );
    }
}
