//! A component: one thing that runs.

use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Serialize};

use super::backups::BackupSpec;
use super::container::*;
use super::external::ExternalSpec;
use super::hooks::Hooks;
use super::scale::ScaleSpec;
use super::source::*;
use crate::image::ImageReference;
use crate::name::{EnvName, Name};
use crate::quantity::Span;
use crate::route::{HostPattern, PathMatch, RoutePath};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Service,
    /// Instances with names and volumes of their own.
    Stateful,
    /// Runs once for each content.
    Job,
    Cron,
    /// One on every machine.
    Daemon,
    Database,
    Vm,
    /// Not run here: an address outside.
    External,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ComponentSpec {
    /// What it is; a service when absent.
    #[serde(default)]
    pub kind: Kind,
    /// A free name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Names and texts for people and tools; they change nothing.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub labels: IndexMap<String, String>,

    /// Where the code comes from; instead of `image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReference>,
    /// `kind: database`: engine and version: `postgres@17`, `mariadb@11.8`, `redis@7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// `kind: database`: settings of the server: `{ max_connections: 200, shared_buffers: 256MB }`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub parameters: IndexMap<String, EnvValue>,
    /// `kind: database`: dumps by the clock, kept by the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<BackupSpec>,
    /// `kind: external`: where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalSpec>,
    /// `kind: cron`: when it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleSpec>,
    /// `kind: job`: runs to a good end once in the application's life, whatever changes in it later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,

    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Command>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<AbsolutePath>,
    /// User, or `user:group`, that the program runs as; the image's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The signal that asks the program to end; the image's own, or `SIGTERM`, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,

    /// How many copies; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<u32>,
    /// Instances by themselves, instead of `instances`: `{ min: 2, max: 10, cpu: 70 }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScaleSpec>,
    /// How much of the machine an instance may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Ports that the program listens on, by name; those that the image declares when absent.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub ports: IndexMap<Name, PortSpec>,
    /// Besides `ports`, those that the image exposes, as plain TCP.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub image_ports: bool,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<EnvName, EnvValue>,
    #[serde(
        default,
        deserialize_with = "super::paths::distinct",
        skip_serializing_if = "IndexMap::is_empty"
    )]
    pub files: IndexMap<AbsolutePath, FileSpec>,
    #[serde(
        default,
        deserialize_with = "super::paths::distinct",
        skip_serializing_if = "IndexMap::is_empty"
    )]
    pub volumes: IndexMap<AbsolutePath, MountSpec>,
    /// Configuration groups this component takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Name>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Use>,
    /// Values published to those that use this component.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub exports: IndexMap<EnvName, EnvValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
    /// A command before the new instances of a release start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseTask>,
    /// Commands in the container after each start of the program, and before it is told to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    /// How instances are replaced in a deploy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// When a program that ended is started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartPolicy>,
    /// What leads to it from outside; its default host when absent, nothing for an empty list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<RouteSpec>>,
    /// Ports of the machine itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<PublishSpec>,

    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub sidecars: IndexMap<Name, ContainerSpec>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub init: IndexMap<Name, ContainerSpec>,
    /// The networks that it is on, and on no other: it reaches whom it shares one with, and nobody else of the application.
    /// The application's own (`default`) when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Name>,
    /// No network at all: nothing reaches it, and it reaches nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
    /// Further names, on each of its networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Further names on one of its networks only.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub network_aliases: IndexMap<Name, Vec<String>>,
    /// Further lines of `/etc/hosts`: name and address.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub extra_hosts: IndexMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostOptions>,
    /// What else a container of an engine can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<ContainerOptions>,
    /// Where instances may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementSpec>,
    /// Per-runtime escapes, shown in every diff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<PatchSpec>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortSpec {
    /// The number.
    pub port: u16,
    /// What is spoken there; `http` when absent.
    #[serde(default)]
    pub protocol: PortProtocol,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PortProtocol {
    #[default]
    Http,
    /// HTTP/2 without TLS (gRPC).
    Http2,
    Tcp,
    Udp,
}

/// `uses: [db]` or `uses: [{component: cache, as: CACHE}]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Use {
    Component(Name),
    As(UseAs),
}

impl<'de> Deserialize<'de> for Use {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Use;
            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("a component's name, or { component: NAME, as: PREFIX }")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Use, E> {
                name.parse().map(Use::Component).map_err(E::custom)
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Use, A::Error> {
                UseAs::deserialize(MapAccessDeserializer::new(map)).map(Use::As)
            }
        }
        from.deserialize_any(Visitor)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UseAs {
    pub component: Name,
    /// Prefix of the injected exports.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub prefix: Option<EnvName>,
}

impl Use {
    pub fn component(&self) -> &Name {
        match self {
            Use::Component(name) => name,
            Use::As(named) => &named.component,
        }
    }
}

/// Runs before the new instances; again only when its image, command, environment or files changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseTask {
    pub command: Command,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Instances above the wanted number during a deploy; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surge: Option<u32>,
    /// Instances below the wanted number during a deploy; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<u32>,
    /// How long an old instance may finish its requests; 30 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Span>,
    /// How long a process may take to end after its stop signal; 10 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
    /// How long the new instances may take to become ready; 120 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    #[default]
    Always,
    OnFailure,
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// A host, exact or `*.example.org`. The application's own default host when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub host: Option<HostPattern>,
    /// Requests whose path begins with it, segment by segment; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub path: Option<RoutePath>,
    /// Only that very path.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exact: bool,
    /// A port's name; the first HTTP port when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Name>,
}

impl RouteSpec {
    /// Which paths it takes: all where it names none.
    pub fn path_match(&self) -> PathMatch {
        let path = self.path.clone().unwrap_or_else(RoutePath::root);
        match self.exact {
            true => PathMatch::Exact(path),
            false => PathMatch::Prefix(path),
        }
    }
}

/// A port of the machine: `{ host: 5432, port: db }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishSpec {
    /// The port of the machine.
    pub host: u16,
    pub port: PortRef,
    /// The machine's address to listen on; loopback when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<std::net::IpAddr>,
    /// `tcp` or `udp`; the others count as TCP.
    #[serde(default)]
    pub protocol: PortProtocol,
}

/// A schedule: five fields of cron, or with a time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ScheduleSpec {
    Cron(String),
    In(ScheduleIn),
}

impl<'de> Deserialize<'de> for ScheduleSpec {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = ScheduleSpec;
            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("five fields of cron in quotes, or { cron: …, timeZone: … }")
            }
            fn visit_str<E>(self, cron: &str) -> Result<ScheduleSpec, E> {
                Ok(ScheduleSpec::Cron(cron.to_owned()))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<ScheduleSpec, A::Error> {
                ScheduleIn::deserialize(MapAccessDeserializer::new(map)).map(ScheduleSpec::In)
            }
        }
        from.deserialize_any(Visitor)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScheduleIn {
    /// Five fields: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// IANA time zone; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Let a run start while the last one is still at work.
    #[serde(default)]
    pub overlap: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PlacementSpec {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<Name>,
    /// Put instances on different machines, as far as there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<bool>,
    /// Rather on machines where instances of these components run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<Name>,
    /// Rather on machines where no instance of these components runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<Name>,
    /// Also machines that are kept for some use (tainted) by these keys, each with its value; whatever its value where it is empty.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub reserved: IndexMap<String, String>,
    /// Only machines with these labels.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub node_labels: IndexMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchSpec {
    /// Merged into the body of the engine's container creation (RFC 7396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<serde_json::Value>,
    /// Merged into the objects of the named kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kubernetes: Vec<serde_json::Value>,
}
