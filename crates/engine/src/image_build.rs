//! `POST /build`: a Dockerfile and its context, by the engine's own builder (BuildKit in Docker, Buildah in Podman).

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use base64::Engine as _;
use futures::{Stream, StreamExt};
use http::{HeaderName, Method, header};
use http_body_util::BodyStream;
use indexmap::IndexMap;
use pluvio_runtime::driver::DriverError;
use serde_json::Value;

use crate::build_session::Answers;
use crate::connection::{Body, Engine, escape};
use crate::pull::RegistryCredential;
use crate::stream::{Documents, Lines};

/// What to build. The context is a tar stream.
#[derive(Debug, Default)]
pub struct EngineBuild {
    /// In the context.
    pub dockerfile: String,
    /// The image's name.
    pub reference: String,
    pub target: Option<String>,
    pub args: IndexMap<String, String>,
    pub labels: IndexMap<String, String>,
    /// Registries and who pulls from them.
    pub credentials: Vec<(String, RegistryCredential)>,
    /// What `RUN --mount=type=secret,id=NAME` reads.
    pub secrets: BTreeMap<String, BuildSecret>,
    /// Sockets of the SSH agents that `RUN --mount=type=ssh,id=NAME` reaches. Docker only.
    pub ssh: BTreeMap<String, PathBuf>,
    /// Bytes; the classic builder and Buildah keep to it, BuildKit does not.
    pub memory: Option<u64>,
    /// Microseconds of CPU time in 100 ms.
    pub cpu_quota: Option<u64>,
    /// Where the cgroups of RUN steps are made. Podman only.
    pub cgroup_parent: Option<String>,
    pub no_cache: bool,
}

/// A value for a build's steps. Shown to nobody.
#[derive(Clone)]
pub struct BuildSecret {
    pub value: String,
    /// Podman reads it from this file at the context's root, which it takes out of the context before it builds; whoever
    /// packs the context puts it there. Docker's builder asks for the value.
    pub file: String,
}

impl std::fmt::Debug for BuildSecret {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("‹secret›")
    }
}

/// What a builder says on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildEvent {
    Line(String),
    /// A line of the Dockerfile begins: `[2/4] RUN npm ci`, `STEP 2/4: RUN npm ci`.
    Instruction(String),
    /// The instruction was done before, with the same result.
    Cached(String),
    /// The last: why it failed. `instruction` is what failed, if told.
    Failed {
        message: String,
        instruction: Option<String>,
    },
}

impl Engine {
    /// Builds; the stream ends when the builder does. Without a `Failed` it was done. Dropping the stream cancels.
    pub async fn build(
        &self,
        build: &EngineBuild,
        context: Body,
    ) -> Result<impl Stream<Item = BuildEvent> + Send + use<>, DriverError> {
        let json = |map: &IndexMap<String, String>| escape(&serde_json::json!(map).to_string());
        let mut path = format!(
            "/build?t={}&dockerfile={}&buildargs={}&labels={}&rm=true&forcerm=true",
            escape(&build.reference),
            escape(&build.dockerfile),
            json(&build.args),
            json(&build.labels),
        );
        if !self.is_podman() {
            path.push_str("&version=2");
        } else {
            if !build.secrets.is_empty() {
                let rows = build.secrets.iter();
                let rows = rows.map(|(name, secret)| format!("id={name},src={}", secret.file));
                let rows: Vec<String> = rows.collect();
                path.push_str("&secrets=");
                path.push_str(&escape(&serde_json::json!(rows).to_string()));
            }
            // Podman's default asks registries for images it has.
            path.push_str("&pull=false&layers=true");
            if let Some(parent) = &build.cgroup_parent {
                path.push_str(&format!("&cgroupparent={}", escape(parent)));
            }
        }
        if let Some(target) = &build.target {
            path.push_str(&format!("&target={}", escape(target)));
        }
        if let Some(memory) = build.memory {
            path.push_str(&format!("&memory={memory}"));
        }
        if let Some(quota) = build.cpu_quota {
            path.push_str(&format!("&cpuperiod=100000&cpuquota={quota}"));
        }
        if build.no_cache {
            path.push_str("&nocache=true");
        }
        let failed = |f: crate::error::Failure| {
            f.attempting(&format!("build {}", build.reference), "the build")
        };
        // BuildKit fetches nothing, not even public images, for a build without one.
        let session = if !self.is_podman() {
            let values = build.secrets.iter();
            let answers = Answers {
                secrets: values
                    .map(|(name, secret)| (name.clone(), secret.value.clone()))
                    .collect(),
                credentials: build.credentials.clone(),
                ssh: build.ssh.clone(),
            };
            let session = self.build_session(answers).await.map_err(failed)?;
            path.push_str(&format!("&session={}", session.id));
            Some(session)
        } else {
            None
        };
        let credential = (!build.credentials.is_empty())
            .then(|| RegistryCredential::build_header(&build.credentials));
        let mut headers = vec![(header::CONTENT_TYPE, "application/x-tar")];
        if let Some(value) = &credential {
            headers.push((HeaderName::from_static("x-registry-config"), value));
        }
        let response = self
            .send(Method::POST, &path, &headers, context)
            .await
            .map_err(failed)?;
        let mut reader = Reader::default();
        let chunks = BodyStream::new(response.into_body())
            .map(Some)
            .chain(futures::stream::iter([None]));
        Ok(chunks.flat_map(move |chunk| {
            // As long as the engine builds, it may ask.
            let _open = &session;
            let events = match chunk {
                Some(Ok(frame)) => reader.push(frame.data_ref().map_or(&[][..], |data| data)),
                Some(Err(error)) => vec![BuildEvent::Failed {
                    message: format!("the engine broke off: {error}"),
                    instruction: None,
                }],
                None => reader.end(),
            };
            futures::stream::iter(events)
        }))
    }
}

#[derive(Default)]
struct Reader {
    documents: Documents,
    lines: Lines,
    trace: Trace,
    instruction: Option<String>,
    failed: bool,
}

impl Reader {
    fn push(&mut self, bytes: &[u8]) -> Vec<BuildEvent> {
        let mut events = Vec::new();
        for document in self.documents.push(bytes) {
            let text = |key: &str| document.get(key).and_then(Value::as_str);
            if let Some(stream) = text("stream") {
                self.classic(stream, &mut events);
            } else if text("id") == Some("moby.buildkit.trace") {
                let trace = text("aux")
                    .and_then(|aux| base64::engine::general_purpose::STANDARD.decode(aux).ok());
                self.trace.read(&trace.unwrap_or_default(), &mut events);
            } else if let Some(error) = text("error") {
                self.failed = true;
                let instruction = self.trace.failed.take().or(self.instruction.take());
                events.push(BuildEvent::Failed {
                    message: error.trim().to_owned(),
                    instruction,
                });
            }
        }
        events
    }

    /// The classic builder and Buildah write plain text.
    fn classic(&mut self, stream: &str, events: &mut Vec<BuildEvent>) {
        let mut lines = Vec::new();
        self.lines.push(stream.as_bytes(), |line| lines.push(line));
        for line in lines {
            let step = line
                .strip_prefix("STEP ")
                .or_else(|| line.strip_prefix("Step "))
                .and_then(|rest| rest.split_once(": "))
                .or_else(|| line.strip_prefix("Step ").and_then(|r| r.split_once(" : ")));
            if let Some((_, instruction)) = step {
                self.instruction = Some(instruction.trim().to_owned());
                events.push(BuildEvent::Instruction(line));
            } else if line.starts_with("--> Using cache") || line.starts_with(" ---> Using cache") {
                let instruction = self.instruction.clone().unwrap_or_default();
                events.push(BuildEvent::Cached(instruction));
            } else if !line.is_empty() && !line.starts_with("--> ") {
                events.push(BuildEvent::Line(line));
            }
        }
    }

    fn end(&mut self) -> Vec<BuildEvent> {
        let mut events: Vec<_> = self
            .lines
            .rest()
            .into_iter()
            .chain(self.trace.lines.values_mut().filter_map(Lines::rest))
            .map(BuildEvent::Line)
            .collect();
        let rest = self.documents.rest();
        if !rest.is_empty() && !self.failed {
            events.push(BuildEvent::Failed {
                message: crate::connection::error_message(rest.as_bytes()),
                instruction: self.instruction.take(),
            });
        }
        events
    }
}

/// BuildKit's progress: `moby.buildkit.v1.StatusResponse` in protocol buffers. Only what is shown is read:
/// vertexes (1: digest, 3: name, 4: cached, 5: started, 7: error) and logs (1: vertex, 4: message).
/// (Source: github.com/moby/buildkit, api/services/control/control.proto.)
#[derive(Default)]
struct Trace {
    /// Digest → what was told of it.
    vertexes: HashMap<Vec<u8>, Vertex>,
    lines: HashMap<Vec<u8>, Lines>,
    failed: Option<String>,
}

#[derive(Default)]
struct Vertex {
    started: bool,
    cached: bool,
}

impl Trace {
    fn read(&mut self, message: &[u8], events: &mut Vec<BuildEvent>) {
        for (field, value) in fields(message) {
            match field {
                1 => self.vertex(value, events),
                3 => self.log(value, events),
                _ => {}
            }
        }
    }

    fn vertex(&mut self, message: &[u8], events: &mut Vec<BuildEvent>) {
        let (mut digest, mut name, mut cached, mut started, mut error) =
            (Vec::new(), String::new(), false, false, None);
        for (field, value) in fields(message) {
            let text = || String::from_utf8_lossy(value).into_owned();
            match field {
                1 => digest = value.to_vec(),
                3 => name = text(),
                4 => cached = value.iter().any(|byte| *byte != 0),
                5 => started = true,
                7 if !value.is_empty() => error = Some(text()),
                _ => {}
            }
        }
        if name.starts_with("[internal]") || name.starts_with("copy /context") {
            return;
        }
        let known = self.vertexes.entry(digest).or_default();
        if cached && !known.cached {
            known.cached = true;
            known.started = true;
            events.push(BuildEvent::Cached(name.clone()));
        } else if started && !known.started {
            known.started = true;
            events.push(BuildEvent::Instruction(name.clone()));
        }
        if error.is_some_and(|error| !error.contains("context canceled")) {
            let instruction = name
                .split_once("] ")
                .map_or(name.as_str(), |(_, rest)| rest);
            self.failed = Some(instruction.to_owned());
        }
    }

    fn log(&mut self, message: &[u8], events: &mut Vec<BuildEvent>) {
        let (mut digest, mut text) = (Vec::new(), Vec::new());
        for (field, value) in fields(message) {
            match field {
                1 => digest = value.to_vec(),
                4 => text = value.to_vec(),
                _ => {}
            }
        }
        let lines = self.lines.entry(digest).or_default();
        lines.push(&text, |line| events.push(BuildEvent::Line(line)));
        // A log message is not cut inside a line but where a program writes without an end.
        events.extend(lines.unfinished().map(BuildEvent::Line));
    }
}

/// The fields of a protocol-buffers message: numbers as their encoded bytes, the rest as their content. Ends at the first
/// thing it does not understand.
pub(crate) fn fields(message: &[u8]) -> Vec<(u64, &[u8])> {
    let mut rest = message;
    let mut found = Vec::new();
    while let Some((key, after)) = varint(rest) {
        let (number, wire) = (key >> 3, key & 7);
        let (value, after) = match wire {
            0 => match varint(after) {
                Some((_, next)) => after.split_at(after.len() - next.len()),
                None => break,
            },
            1 if after.len() >= 8 => after.split_at(8),
            5 if after.len() >= 4 => after.split_at(4),
            2 => match varint(after) {
                Some((length, next)) if (length as usize) <= next.len() => {
                    next.split_at(length as usize)
                }
                _ => break,
            },
            _ => break,
        };
        found.push((number, value));
        rest = after;
    }
    found
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(wire: &str) -> Vec<BuildEvent> {
        let mut reader = Reader::default();
        let mut events = reader.push(wire.as_bytes());
        events.extend(reader.end());
        events
    }

    #[test]
    fn buildahs_text_is_read() {
        let seen = events(
            "{\"stream\":\"STEP 1/2: FROM localhost/t:1\\n\"}\n{\"stream\":\"STEP 2/2: RUN cat /d && false\\n\"}\n\
             {\"stream\":\"what it says\\n\"}\n{\"error\":\"building at STEP \\\"RUN cat /d && false\\\": exit status 1\\n\"}\n",
        );
        assert_eq!(
            seen[2..],
            [
                BuildEvent::Line("what it says".into()),
                BuildEvent::Failed {
                    message: "building at STEP \"RUN cat /d && false\": exit status 1".into(),
                    instruction: Some("RUN cat /d && false".into()),
                }
            ]
        );
    }

    #[test]
    fn buildkits_trace_is_read() {
        // A vertex that started, a log line of it, then the vertex with its error.
        let field = |number: u8, content: &[u8]| {
            let mut out = vec![number << 3 | 2, content.len() as u8];
            out.extend_from_slice(content);
            out
        };
        let started = [field(1, b"d1"), field(3, b"[2/2] RUN false"), field(5, b"")].concat();
        let failed = [started.clone(), field(7, b"exit code: 1")].concat();
        let log = |text: &[u8]| field(3, &[field(1, b"d1"), field(4, text)].concat());
        // A progress bar comes in pieces, and is one line.
        let bar = [log(b"5%\r10%"), log(b"\r100%\n")].concat();
        let wire = [field(1, &started), log(b"says\n"), bar, field(1, &failed)].concat();
        let aux = base64::engine::general_purpose::STANDARD.encode(wire);
        let seen = events(&format!(
            "{{\"id\":\"moby.buildkit.trace\",\"aux\":\"{aux}\"}}\n{{\"error\":\"exit code: 1\"}}\n"
        ));
        assert_eq!(
            seen,
            [
                BuildEvent::Instruction("[2/2] RUN false".into()),
                BuildEvent::Line("says".into()),
                BuildEvent::Line("100%".into()),
                BuildEvent::Failed {
                    message: "exit code: 1".into(),
                    instruction: Some("RUN false".into()),
                }
            ]
        );
    }
}
