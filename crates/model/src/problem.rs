//! What a user reads when something fails: RFC 9457 with a stable code, a cause and a remedy.
//!
//! The codes are listed once, in [`CODES`]: each has a page under `docs/errors/` which `pluvio explain CODE` prints.

use serde::{Deserialize, Serialize};

/// A problem, in the wire form of RFC 9457 (`application/problem+json`).
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{title}: {cause}")]
pub struct Problem {
    /// Stable, dotted, lower case: `build.dockerfile-missing`.
    pub code: String,
    /// HTTP status the problem answers with.
    pub status: u16,
    /// What failed, in a few words.
    pub title: String,
    /// Why, with the names and numbers of this case.
    pub cause: String,
    /// What to do next.
    pub remedy: String,
    /// Where in the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
    /// Lines that show it: the probe's answer, the end of a log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// What Pluvio can do about it by itself, when asked to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Fix>,
    /// Where the code's page is.
    #[serde(default)]
    pub help: String,
}

/// An offer to mend what a problem tells of.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fix", rename_all = "kebab-case")]
pub enum Fix {
    /// Declare a port of a component, so that others reach it (`--open-ports`).
    OpenPort {
        component: String,
        /// What the port shall be called.
        name: String,
        port: u16,
        /// `http`, `http2`, `tcp`, `udp`
        protocol: String,
    },
    /// Give a variable that the source requires a value.
    SetVariable {
        name: String,
        /// What the source says about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Let the component use another.
    AddUse { component: String, uses: String },
    /// Let the component use another under a prefix, so that what it exports is called otherwise.
    PrefixUse {
        component: String,
        /// Which of its `uses`, from 0.
        index: usize,
        prefix: String,
    },
    /// Take one of the component's `uses` out.
    RemoveUse { component: String, index: usize },
    /// Let the component use another than the one that is not there.
    ReplaceUse {
        component: String,
        index: usize,
        uses: String,
    },
}

/// A place in a text: line and column from 1, and the path of keys.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// `components.web.ports`
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// How a command that meets a problem ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    Refused = 4,
    Conflict = 5,
    TimedOut = 124,
}

/// One code: its status and title. The cause and the remedy are said where the problem is made.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $title:literal;)*) => {
        $($(#[$doc])* pub const $name: Code = Code { code: $code, status: $status, title: $title };)*
        /// Every code, in the order of their pages.
        pub const CODES: &[Code] = &[$($name),*];
    };
}

codes! {
    SPEC_SYNTAX = "spec.syntax", 422, "The file is not valid YAML";
    SPEC_UNKNOWN_KEY = "spec.unknown-key", 422, "There is no such key";
    SPEC_INVALID = "spec.invalid", 422, "A value does not fit";
    SPEC_UNKNOWN_REFERENCE = "spec.unknown-reference", 422, "A name refers to nothing";
    SPEC_CONFLICT = "spec.conflict", 422, "Two parts of the specification contradict each other";
    SPEC_UNSUPPORTED = "spec.unsupported", 422, "The runtime cannot do this";
    SPEC_TOO_LARGE = "spec.too-large", 413, "The input is too large";
    SECRET_MISSING = "secret.missing", 422, "A secret has no value";
    SETTING_MISSING = "setting.missing", 422, "A setting has no value";
    SOURCE_MISSING = "source.missing", 422, "There is nothing to deploy";
    SOURCE_UNKNOWN = "source.unknown", 422, "The source is not recognised";
    SOURCE_ARCHIVE = "source.archive", 422, "The archive cannot be read";
    SOURCE_FETCH = "source.fetch", 422, "The address cannot be fetched";
    GIT_HOST_NOT_FOUND = "git.host-not-found", 422, "The Git host cannot be reached";
    GIT_UNAUTHORIZED = "git.unauthorized", 422, "The Git host refuses the credential";
    GIT_HOST_KEY = "git.host-key", 422, "The Git host is not the one it was";
    GIT_NO_REPOSITORY = "git.no-repository", 422, "There is no such repository";
    GIT_NO_REFERENCE = "git.no-reference", 422, "There is no such branch, tag or commit";
    GIT_NO_PATH = "git.no-path", 422, "There is no such folder in the repository";
    GIT_FAILED = "git.failed", 422, "Fetching the source failed";
    BUILD_DOCKERFILE_MISSING = "build.dockerfile-missing", 422, "The Dockerfile is not there";
    BUILD_FAILED = "build.failed", 422, "The build failed";
    BUILD_VERSION = "build.version", 422, "This version cannot be had";
    BUILD_BASE = "build.base", 502, "The base image cannot be had";
    BUILD_TIMEOUT = "build.timeout", 504, "The build took too long";
    BUILD_CANCELLED = "build.cancelled", 409, "The build was cancelled";
    IMAGE_NOT_FOUND = "image.not-found", 422, "There is no such image";
    IMAGE_UNAUTHORIZED = "image.unauthorized", 422, "The registry refuses the credential";
    IMAGE_REGISTRY = "image.registry", 502, "The registry cannot be reached";
    IMAGES_NOT_SERVED = "images.not-served", 409, "No registry of images is configured";
    IMAGES_QUOTA = "images.quota", 409, "The team's quota of images is full";
    RELEASE_NOT_READY = "release.not-ready", 422, "The new release did not become ready";
    RELEASE_EXITED = "release.exited", 422, "The new release's program ended";
    RELEASE_PORT_CLOSED = "release.port-closed", 422, "Nobody listens on the port";
    SCALE_UNMEASURED = "scale.unmeasured", 503, "What the number of instances goes by is not known";
    RELEASE_TASK = "release.task", 422, "The release task failed";
    RELEASE_GONE = "release.gone", 409, "The release cannot be restored";
    RELEASE_SUPERSEDED = "release.superseded", 409, "A later deploy took its place";
    NAME_TAKEN = "name.taken", 409, "The name is taken";
    HOST_TAKEN = "host.taken", 409, "The host is taken";
    PORT_TAKEN = "port.taken", 409, "The port is in use";
    ENGINE_MISSING = "engine.missing", 503, "No container engine answers";
    ENGINE_FOREIGN = "engine.foreign", 409, "This is another engine than before";
    ENGINE_UNREACHABLE = "engine.unreachable", 422, "The engine's containers cannot be reached";
    ENGINE_FAILED = "engine.failed", 502, "The engine refused";
    ENGINE_TOO_OLD = "engine.too-old", 422, "The engine is too old";
    NETWORK_FULL = "network.full", 507, "No addresses are left";
    DISK_FULL = "disk.full", 507, "No space is left";
    NODE_UNREACHABLE = "node.unreachable", 503, "The node process does not answer";
    CLUSTER_UNREACHABLE = "cluster.unreachable", 503, "The cluster does not answer";
    CLUSTER_UNFIT = "cluster.unfit", 422, "The cluster lacks what Pluvio needs";
    CLUSTER_NO_ROOM = "cluster.no-room", 422, "No node of the cluster has room";
    CLUSTER_POLICY = "cluster.policy", 422, "A rule of the cluster refuses it";
    CLUSTER_QUOTA = "cluster.quota", 422, "The cluster's quota is full";
    CLUSTER_STORAGE = "cluster.storage", 422, "The cluster makes no volume";
    STALE_GENERATION = "generation.stale", 409, "A newer decision is at work";
    SERVER_UNREACHABLE = "server.unreachable", 503, "Pluvio does not answer";
    AUTH_REQUIRED = "auth.required", 401, "Sign in first";
    AUTH_INVALID = "auth.invalid", 401, "The sign-in is not valid";
    AUTH_LINK = "auth.link", 401, "The sign-in link is not valid";
    AUTH_PASSKEY = "auth.passkey", 401, "The passkey is not accepted";
    PASSKEY_REFUSED = "passkey.refused", 422, "The passkey was not added";
    PASSKEY_UNAVAILABLE = "passkey.unavailable", 409, "Passkeys need a name";
    PERMISSION_DENIED = "permission.denied", 403, "You may not do this";
    AUDIT_BROKEN = "audit.broken", 409, "The audit log was altered";
    NOT_FOUND = "not-found", 404, "There is no such thing";
    METHOD = "request.method", 405, "The method is not allowed here";
    REQUEST_INVALID = "request.invalid", 400, "The request cannot be read";
    CONFLICT = "conflict", 409, "It was changed meanwhile";
    PRECONDITION = "request.precondition", 412, "It was changed meanwhile";
    REFUSED = "refused", 409, "This is refused";
    TIMED_OUT = "timed-out", 504, "It took too long";
    RATE_LIMITED = "rate-limited", 429, "Too many attempts";
    CANCELLED = "cancelled", 409, "It was cancelled";
    GATEWAY_BAD_HOST = "gateway.bad-host", 400, "The request names no valid host";
    GATEWAY_METHOD = "gateway.method", 405, "The gateway is no forward proxy";
    GATEWAY_NO_ROUTE = "gateway.no-route", 404, "Nothing is published here";
    GATEWAY_BODY_TOO_LARGE = "gateway.body-too-large", 413, "The request is too large";
    GATEWAY_BODY_BROKEN = "gateway.body-broken", 400, "The request's body is broken";
    GATEWAY_BODY_STALLED = "gateway.body-stalled", 408, "The request was not sent in time";
    GATEWAY_NO_INSTANCE = "gateway.no-instance", 503, "No instance is ready";
    GATEWAY_STOPPED = "gateway.stopped", 503, "The application is stopped";
    GATEWAY_HELD = "gateway.held", 503, "The application is being replaced";
    GATEWAY_UNREACHABLE = "gateway.unreachable", 502, "No instance accepts connections";
    GATEWAY_CONNECT_TIMEOUT = "gateway.connect-timeout", 504, "No instance accepted in time";
    GATEWAY_NO_ANSWER = "gateway.no-answer", 502, "The application did not answer";
    GATEWAY_ANSWER_TIMEOUT = "gateway.answer-timeout", 504, "The application did not answer in time";
    GATEWAY_INVALID_ANSWER = "gateway.invalid-answer", 502, "The application's answer is not valid";
    GATEWAY_FAILED = "gateway.failed", 500, "The gateway cannot start";
    CONFIG_INVALID = "config.invalid", 422, "The configuration does not fit";
    CONFIG_VERSION = "config.version", 422, "The data was written by a newer version";
    INTERNAL = "internal", 500, "Something unexpected happened";
}

impl Code {
    /// A problem of this code.
    pub fn problem(self, cause: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem {
            code: self.code.to_owned(),
            status: self.status,
            title: self.title.to_owned(),
            cause: cause.into(),
            remedy: remedy.into(),
            at: None,
            evidence: Vec::new(),
            fixes: Vec::new(),
            help: format!("pluvio explain {}", self.code),
        }
    }

    pub fn find(code: &str) -> Option<&'static Code> {
        CODES.iter().find(|c| c.code == code)
    }
}

impl Problem {
    #[must_use]
    pub fn at(mut self, at: Location) -> Problem {
        self.at = Some(at);
        self
    }

    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Problem {
        self.at.get_or_insert_default().path = path.into();
        self
    }

    #[must_use]
    pub fn evidence(mut self, lines: impl IntoIterator<Item = String>) -> Problem {
        self.evidence.extend(lines);
        self
    }

    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Problem {
        self.fixes.push(fix);
        self
    }

    pub fn is(&self, code: Code) -> bool {
        self.code == code.code
    }

    /// How a command that ends with this problem exits.
    pub fn exit(&self) -> Exit {
        match (self.status, self.code.as_str()) {
            (
                _,
                "release.superseded" | "conflict" | "request.precondition" | "generation.stale",
            ) => Exit::Conflict,
            (_, "name.taken" | "host.taken" | "port.taken") => Exit::Conflict,
            (_, "timed-out" | "build.timeout") => Exit::TimedOut,
            (_, "refused" | "permission.denied" | "engine.foreign" | "release.gone") => {
                Exit::Refused
            }
            (400, _) => Exit::Usage,
            (401 | 403, _) => Exit::Refused,
            (404, _) => Exit::NotFound,
            (412, _) => Exit::Conflict,
            _ => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut seen = std::collections::BTreeSet::new();
        for code in CODES {
            assert!(seen.insert(code.code), "{} twice", code.code);
            assert!(
                code.code
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'-'),
                "{}",
                code.code
            );
            assert!((400..600).contains(&code.status));
        }
    }
}
