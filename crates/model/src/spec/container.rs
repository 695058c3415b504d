//! What a container is: program, environment, files, mounts, probes, limits. Shared by components, sidecars and init steps.

use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EngineVolume, VolumeOptions};
use crate::name::{EnvName, Name};
use crate::quantity::{Bytes, Cpu, Span};
use crate::text::{ScalarText, text_newtype};

/// A path inside a container: starts with `/`, holds no `..` segment and no NUL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsolutePath(Box<str>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an absolute path inside a container, such as /data")]
pub struct InvalidPath(pub String);

impl AbsolutePath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl FromStr for AbsolutePath {
    type Err = InvalidPath;
    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let ok = text.starts_with('/')
            && !text.trim_end_matches('/').is_empty()
            && !text.contains('\0')
            && !text.split('/').any(|s| s == "..");
        if ok {
            Ok(AbsolutePath(text.trim_end_matches('/').into()))
        } else {
            Err(InvalidPath(text.to_owned()))
        }
    }
}
impl fmt::Display for AbsolutePath {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}
text_newtype!(AbsolutePath, Some("^/."), "a path inside the container");

/// A program to run: a list of words, or one string that `/bin/sh -c` reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Command {
    Shell(String),
    Words(Vec<String>),
}

// Written out, as for the other values with two forms: serde's `untagged` cannot say what is wrong.
impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Command;
            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("a command: a list of words, or one line for the shell")
            }
            fn visit_str<E>(self, line: &str) -> Result<Command, E> {
                Ok(Command::Shell(line.to_owned()))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut words: A,
            ) -> Result<Command, A::Error> {
                let mut all = Vec::new();
                while let Some(word) = words.next_element::<ScalarText>()? {
                    all.push(word.0);
                }
                Ok(Command::Words(all))
            }
        }
        from.deserialize_any(Visitor)
    }
}

impl Command {
    /// The words an engine is given.
    pub fn words(&self) -> Vec<String> {
        match self {
            Command::Shell(line) => vec!["/bin/sh".into(), "-c".into(), line.clone()],
            Command::Words(words) => words.clone(),
        }
    }
}

/// The value of a variable: text (with `${…}` references). YAML's numbers and booleans are taken as they are written.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct EnvValue(pub String);

impl fmt::Debug for EnvValue {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(out)
    }
}
impl From<&str> for EnvValue {
    fn from(text: &str) -> Self {
        EnvValue(text.to_owned())
    }
}
impl<'de> Deserialize<'de> for EnvValue {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = EnvValue;
            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("a text, a number or true/false")
            }
            fn visit_newtype_struct<D: serde::Deserializer<'de>>(
                self,
                from: D,
            ) -> Result<EnvValue, D::Error> {
                from.deserialize_any(self)
            }
            fn visit_str<E>(self, text: &str) -> Result<EnvValue, E> {
                Ok(EnvValue(text.to_owned()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<EnvValue, E> {
                Ok(EnvValue(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<EnvValue, E> {
                Ok(EnvValue(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<EnvValue, E> {
                Ok(EnvValue(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<EnvValue, E> {
                Ok(EnvValue(value.to_string()))
            }
            fn visit_unit<E>(self) -> Result<EnvValue, E> {
                Ok(EnvValue(String::new()))
            }
        }
        from.deserialize_newtype_struct(crate::WRITTEN, Visitor)
    }
}

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FileSpec {
    /// Text, with `${…}` references unless `raw`.
    pub content: String,
    /// Changes reach running instances without a restart.
    #[serde(default)]
    pub hot: bool,
    /// Octal mode, `0644` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// Take `content` as it is: no references.
    #[serde(default)]
    pub raw: bool,
    /// For hot files: what to do in the container after a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Reload>,
}

/// Octal permission bits, `0644`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode(pub u16);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a file mode, such as \"0644\"")]
pub struct InvalidMode(String);

impl FromStr for FileMode {
    type Err = InvalidMode;
    fn from_str(text: &str) -> Result<Self, InvalidMode> {
        u16::from_str_radix(text, 8)
            .ok()
            .filter(|m| *m <= 0o7777)
            .map(FileMode)
            .ok_or_else(|| InvalidMode(text.to_owned()))
    }
}
impl fmt::Display for FileMode {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{:04o}", self.0)
    }
}
text_newtype!(
    FileMode,
    Some("^[0-7]{3,4}$"),
    "octal permission bits: \"0644\""
);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Reload {
    /// A signal to process 1, such as `HUP`.
    Signal(String),
    /// A command run in the container.
    Command(Command),
}

/// Where a volume is mounted and which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MountSpec {
    /// The volume's name in the application. Absent for `memory` and `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// What kind of storage; `disk` when absent.
    #[serde(default, rename = "type")]
    pub kind: VolumeKind,
    /// Who may have it at once; one instance when absent.
    #[serde(default)]
    pub access: VolumeAccess,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
    /// The program cannot write to it.
    #[serde(default)]
    pub read_only: bool,
    /// `host` only: the path on the machine (needs a permission).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_path: Option<AbsolutePath>,
    /// `host` only, on an engine and in place of `hostPath`: the engine's name of a volume that it has already (needs a permission).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_volume: Option<EngineVolume>,
    /// Kubernetes: the StorageClass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// `disk` on an engine: what it mounts in place of a folder of its own, such as a share (needs a permission).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<VolumeOptions>,
    /// `memory` on an engine: octal permission bits, `"1777"` when absent. On Kubernetes it is open to every user of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// `memory` on Docker: the number of the user it belongs to, root when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// `memory` on Docker: the number of the group it belongs to, root's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// `memory` on an engine: whether programs that lie in it may be started. When absent: on Docker they may not, elsewhere they may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<bool>,
    /// `disk`: a new volume begins empty, whatever the image has at its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_copy: bool,
}

impl MountSpec {
    /// How memory is mounted, but for its size, as mount(8) has it: `mode=1770`, `uid=70`, `exec`.
    pub fn memory_options(&self) -> Vec<String> {
        memory_options(self.mode, self.uid, self.gid, self.exec)
    }
}

pub(crate) fn memory_options(
    mode: Option<FileMode>,
    uid: Option<u32>,
    gid: Option<u32>,
    exec: Option<bool>,
) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(mode.map(|mode| format!("mode={mode}")));
    all.extend(uid.map(|uid| format!("uid={uid}")));
    all.extend(gid.map(|gid| format!("gid={gid}")));
    all.extend(exec.map(|exec| if exec { "exec" } else { "noexec" }.to_owned()));
    all
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VolumeKind {
    /// Data with a life of its own.
    #[default]
    Disk,
    /// A tmpfs, gone with the instance.
    Memory,
    /// A folder of the machine, or a volume that its engine has already.
    Host,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VolumeAccess {
    /// One instance at a time: a deploy stops, then starts.
    #[default]
    Exclusive,
    /// Any number of instances at once.
    Shared,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Resources {
    /// Cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuRange>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryRange>,
    /// The most processes; 4,096 when absent on an engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuRange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Cpu>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Cpu>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryRange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Bytes>,
}

/// Health checks, run by Pluvio on every engine. Without `ready`, an open TCP port is readiness.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probes {
    /// Until it succeeds once, the other two are not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<Probe>,
    /// Whether the instance gets traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Probe>,
    /// Whether the instance must be restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Probe>,
    /// What happens to an instance whose `live` fails; it is restarted when absent. `startup` that fails restarts it whatever is
    /// said here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<Unhealthy>,
}

/// What happens to an instance that does not live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unhealthy {
    /// It is started again.
    #[default]
    Restart,
    /// It gets no requests until `live` succeeds again, and goes on: what it does or holds is not lost.
    Offline,
    /// It goes on with its requests; an event tells of it.
    Report,
}

impl Unhealthy {
    pub fn is_restart(&self) -> bool {
        *self == Unhealthy::Restart
    }
}

/// One check: exactly one of `http`, `tcp`, `command`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Probe {
    /// A GET request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// A connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpProbe>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// Time between two checks, 5 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Span>,
    /// How long one answer may take, 2 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Before the first check, 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// Failures in a row that count as failed: 3 when absent, 60 for `startup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// Successes in a row that count as passed, 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successes: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpProbe {
    /// What is asked for; `/` when absent.
    #[serde(default = "root_path")]
    pub path: String,
    /// A port's name or number; the first HTTP port when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<PortRef>,
    /// Headers of the request.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, String>,
    /// The `Host` header; the instance's address when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Accepted answers; 200 to 399 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Vec<u16>>,
}

fn root_path() -> String {
    "/".to_owned()
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpProbe {
    /// The first port when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<PortRef>,
}

/// A port by number or by its name in `ports`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PortRef {
    Number(u16),
    Name(Name),
}

impl<'de> Deserialize<'de> for PortRef {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = ScalarText::deserialize(from)?.0;
        match text.parse() {
            Ok(number) => Ok(PortRef::Number(number)),
            Err(_) => text.parse().map(PortRef::Name).map_err(|_| {
                serde::de::Error::custom(format_args!(
                    "{text:?} is not a port: a number from 0 to 65535 or a name under `ports`"
                ))
            }),
        }
    }
}

/// A container beside the main one (`sidecars`) or before it (`init`): shares its network and scratch space.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ContainerSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<crate::image::ImageReference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Command>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
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
    /// How much of the machine it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// User, or `user:group`, that it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<AbsolutePath>,
    /// The signal that asks the program to end; the image's own, or `SIGTERM`, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostOptions>,
    /// What else a container of an engine can be told. What is of the network is its instance's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<ContainerOptions>,
}

/// What a container has besides its program and limits. A runtime that cannot give one of these refuses it by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ContainerOptions {
    /// A terminal for the program.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tty: bool,
    /// The program's standard input stays open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stdin: bool,
    /// The image's own files cannot be written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// A small process 1 that reaps children and passes signals on. When absent, it is there unless the image starts one itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// What the container calls itself; its instance's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    /// Name servers in place of the engine's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<std::net::IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_options: Vec<String>,
    /// Further groups of the program's user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Size of `/dev/shm`; 64 MiB when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<Bytes>,
    /// Limits of the kernel by their short names: `nofile`, `nproc`, `memlock` …
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub ulimits: IndexMap<String, Ulimit>,
}

/// A limit of the kernel for each process; -1 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ulimit {
    pub soft: i64,
    pub hard: i64,
}

/// What reaches beyond the container. Each needs a permission and shows in every diff.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HostOptions {
    /// All rights of the machine's root.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// The machine's network instead of one of its own: one instance at a time, no port of which may be taken already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub network: bool,
    /// Sees the machine's processes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pid: bool,
    /// The machine's shared memory and semaphores.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ipc: bool,
    /// Linux capabilities to add, such as `NET_ADMIN`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Linux capabilities to take away; `ALL` for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_capabilities: Vec<String>,
    /// Devices of the machine, such as `/dev/fuse`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Security options of the engine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security: Vec<String>,
    /// Kernel parameters of its namespaces.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub sysctls: IndexMap<String, String>,
}

/// A security option as engines write it, `KEY=VALUE` or `KEY:VALUE`; an option without a value is on.
pub fn security_option(text: &str) -> (&str, &str) {
    text.split_once(['=', ':']).unwrap_or((text, "true"))
}

/// Whether a security option gives a container fewer rights than it has anyway.
pub fn only_tightens(text: &str) -> bool {
    security_option(text) == ("no-new-privileges", "true")
}
