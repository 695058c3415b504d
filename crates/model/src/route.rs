//! How traffic reaches components: routes (decided) and endpoints (observed).
//!
//! Two values meet in the data plane. A [`RouteTable`] is decided with a release, one versioned [`RouteFragment`] for each
//! application, in the shape of the Kubernetes Gateway API (host names, path matches, weighted backends). [`Endpoints`] are
//! observed, and say for each backend which instances may be given a request right now. They change at different times and
//! for different reasons, so they are never one value.
//!
//! Everything here is plain data: it is written to disk by the node, sent to further gateways, compared in tests. What a
//! request matches is decided by the proxy's compiled table, whose rules [`Route`] documents.
//!
//! Deliberately absent: certificates, layer-4 listeners, filters (redirects, header changes, mirrors) and header predicates.
//! Each is a further optional field of [`Route`], [`RouteMatch`] or [`RouteFragment`], which old tables read as absent.

use std::{collections::BTreeMap, fmt, net::SocketAddr, str::FromStr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    id::{ApplicationId, Generation},
    name::Name,
};

/// Why a text is not the part of a route that it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error("`{text}` is not a host name: {why}")]
    Host { text: String, why: &'static str },
    #[error("`{text}` is not a path to match: {why}")]
    Path { text: String, why: &'static str },
    #[error("`{text}` is not a {what}: {why}")]
    Name {
        what: &'static str,
        text: String,
        why: &'static str,
    },
}

/// Implements the text form of a newtype: display, parsing, and serde through both.
macro_rules! text_form {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = RouteError;
            fn try_from(text: String) -> Result<Self, RouteError> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.to_string(), f)
            }
        }
    };
}

/// The hosts a route answers for: one name, every name below a suffix, or all.
///
/// Text form: `shop.example.com`, `*.example.com` (one or more labels in place of the star, as in the Gateway API; the suffix
/// itself is not matched) or `*`. Stored in lower case without a trailing dot. Names are ASCII: an internationalised name is
/// given in its `xn--` form.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HostPattern {
    /// One name.
    Exact(Arc<str>),
    /// Every name that ends in `.SUFFIX`; the value is the suffix, without star and dot.
    Below(Arc<str>),
    /// Every host that no other pattern matches.
    Any,
}

text_form!(HostPattern);

impl FromStr for HostPattern {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        if text == "*" {
            return Ok(HostPattern::Any);
        }
        let (name, below) = match text.strip_prefix("*.") {
            Some(suffix) => (suffix, true),
            None => (text, false),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let refuse = |why| {
            Err(RouteError::Host {
                text: text.to_owned(),
                why,
            })
        };
        if name.is_empty() {
            return refuse("it is empty");
        }
        if name.len() > 253 {
            return refuse("it is longer than 253 characters");
        }
        for label in name.split('.') {
            if label.is_empty() {
                return refuse("it has an empty label");
            }
            if label.len() > 63 {
                return refuse("a label is longer than 63 characters");
            }
            if label.starts_with('-') || label.ends_with('-') {
                return refuse("a label begins or ends with `-`");
            }
            // The underscore is no host name by RFC 1123, yet compose services and DNS have it; clients send it.
            if !label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            {
                return refuse("only letters, digits, `-`, `_` and dots may be in it");
            }
        }
        let name: Arc<str> = name.to_ascii_lowercase().into();
        Ok(if below {
            HostPattern::Below(name)
        } else {
            HostPattern::Exact(name)
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(name) => f.write_str(name),
            HostPattern::Below(suffix) => write!(f, "*.{suffix}"),
            HostPattern::Any => f.write_str("*"),
        }
    }
}

/// A path that requests are compared with: begins with `/`, has no query, no fragment, no dot segments.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoutePath(Arc<str>);

text_form!(RoutePath);

impl RoutePath {
    /// `/`, which as a prefix matches every path.
    pub fn root() -> Self {
        RoutePath("/".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoutePath {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let refuse = |why| {
            Err(RouteError::Path {
                text: text.to_owned(),
                why,
            })
        };
        if !text.starts_with('/') {
            return refuse("it does not begin with `/`");
        }
        if text.len() > 1024 {
            return refuse("it is longer than 1024 characters");
        }
        if text.contains("//") {
            return refuse("it has an empty segment (`//`)");
        }
        if text
            .split('/')
            .any(|segment| segment == "." || segment == "..")
        {
            return refuse("it has a `.` or `..` segment");
        }
        if let Some(bad) = text
            .chars()
            .find(|c| !c.is_ascii_graphic() || "?#%\\\"<>`{|}^".contains(*c))
        {
            return refuse(match bad {
                '?' | '#' => "it has a query or fragment",
                '%' => "it has a percent escape; write the plain character",
                _ => "it has a character that a path in a URL cannot hold",
            });
        }
        Ok(RoutePath(text.into()))
    }
}

impl fmt::Display for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a request's path is compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathMatch {
    /// The whole path, byte for byte: `/a` does not match `/a/`.
    Exact(RoutePath),
    /// Segment by segment: `/a` matches `/a`, `/a/` and `/a/b`, not `/ab`. A trailing slash makes no difference.
    Prefix(RoutePath),
}

impl PathMatch {
    pub fn path(&self) -> &RoutePath {
        match self {
            PathMatch::Exact(path) | PathMatch::Prefix(path) => path,
        }
    }
}

impl Default for PathMatch {
    fn default() -> Self {
        PathMatch::Prefix(RoutePath::root())
    }
}

/// What a request must be to take a route. All of it must hold; a route with several takes a request that any of them matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RouteMatch {
    #[serde(default)]
    pub path: PathMatch,
}

/// Builds a newtype over a short name that is safe in logs, file names and metrics.
macro_rules! short_name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        text_form!($type);

        impl $type {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = RouteError;

            fn from_str(text: &str) -> Result<Self, RouteError> {
                let refuse = |why| {
                    Err(RouteError::Name { what: $what, text: text.to_owned(), why })
                };
                if text.is_empty() {
                    return refuse("it is empty");
                }
                if text.len() > $max {
                    return refuse(concat!("it is longer than ", $max, " characters"));
                }
                if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
                    return refuse("only letters, digits, `-`, `_` and `.` may be in it");
                }
                Ok($type(text.into()))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

short_name!(
    /// What an application is called in a table: its id, so that a table never mixes two teams' applications of one name.
    ApplicationKey,
    "application key",
    63
);
short_name!(
    /// The name of a component, or of one of its ports, inside a [`BackendId`].
    BackendPart,
    "component or port name",
    63
);
short_name!(
    /// Names a route inside metrics and the access log. Unique in its fragment; the same from release to release while the
    /// route is the same, so that its series go on.
    RouteId,
    "route id",
    128
);
short_name!(
    /// Names a running instance as the runtime does (container name, pod name). What requests in flight are counted by.
    InstanceKey,
    "instance name",
    253
);

impl From<ApplicationId> for ApplicationKey {
    fn from(id: ApplicationId) -> Self {
        ApplicationKey(id.to_string().into())
    }
}

impl From<&Name> for BackendPart {
    fn from(name: &Name) -> Self {
        BackendPart(name.as_str().into())
    }
}

/// A port of a component, the thing that routes send traffic to. Text form: `APPLICATION/COMPONENT/PORT`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackendId {
    application: ApplicationKey,
    component: BackendPart,
    port: BackendPart,
}

text_form!(BackendId);

impl BackendId {
    pub fn new(application: ApplicationKey, component: BackendPart, port: BackendPart) -> Self {
        BackendId {
            application,
            component,
            port,
        }
    }

    pub fn application(&self) -> &ApplicationKey {
        &self.application
    }

    pub fn component(&self) -> &BackendPart {
        &self.component
    }

    pub fn port(&self) -> &BackendPart {
        &self.port
    }
}

impl FromStr for BackendId {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let mut parts = text.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(application), Some(component), Some(port), None) => Ok(BackendId {
                application: application.parse()?,
                component: component.parse()?,
                port: port.parse()?,
            }),
            _ => Err(RouteError::Name {
                what: "backend",
                text: text.to_owned(),
                why: "it is not APPLICATION/COMPONENT/PORT",
            }),
        }
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.application, self.component, self.port)
    }
}

/// What a backend's instances speak on the port.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum BackendProtocol {
    /// HTTP/1.1, WebSocket and other upgrades included.
    #[default]
    Http1,
    /// HTTP/2 in clear text by prior knowledge (h2c): what gRPC servers speak.
    Http2,
}

/// One of the places a route sends requests to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WeightedBackend {
    pub backend: BackendId,
    /// Share of the route's requests, in parts of the sum of its weights. 0 takes none.
    #[serde(default = "one")]
    pub weight: u16,
    #[serde(default)]
    pub protocol: BackendProtocol,
}

fn one() -> u16 {
    1
}

impl WeightedBackend {
    /// The only backend of a route that speaks HTTP/1.1.
    pub fn only(backend: BackendId) -> Self {
        WeightedBackend {
            backend,
            weight: 1,
            protocol: BackendProtocol::Http1,
        }
    }
}

/// A span of time in whole milliseconds, as tables on disk hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Milliseconds(pub u32);

impl Milliseconds {
    pub const fn seconds(seconds: u32) -> Self {
        Milliseconds(seconds * 1000)
    }

    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }
}

/// What a request on a route may take.
///
/// Limits on what comes before the route is known (header size, header time, idle keep-alive) belong to the listener.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteLimits {
    /// To open a connection to an instance, each attempt.
    pub connect: Milliseconds,
    /// From the end of the request to the head of the answer.
    pub response: Milliseconds,
    /// Without a byte of body in either direction, once an answer has begun. Tunnels (WebSocket) are not limited by it.
    pub idle: Milliseconds,
    /// The largest request body in bytes; none if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
}

impl Default for RouteLimits {
    fn default() -> Self {
        RouteLimits {
            connect: Milliseconds::seconds(5),
            response: Milliseconds::seconds(60),
            idle: Milliseconds::seconds(300),
            body_bytes: None,
        }
    }
}

/// Which requests go where.
///
/// Among the hosts of a table the most specific alone decides: an exact name before a wildcard, a longer wildcard suffix before
/// a shorter, `*` last. A request for a host whose routes do not match its path is not given to a less specific host: that may
/// belong to another team. Among the matches of one host an exact path wins, then the longest prefix. Where two routes claim
/// the same host and path, the one earlier in its fragment wins, and between fragments the smaller application key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub id: RouteId,
    /// At least one; a route without hosts takes nothing.
    pub hosts: Vec<HostPattern>,
    /// Empty means every path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RouteMatch>,
    /// Without a weight above 0 the route answers 503.
    pub backends: Vec<WeightedBackend>,
    #[serde(default)]
    pub limits: RouteLimits,
    /// Kept but switched off: the table holds it, and no request takes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// The routes of one application at one generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteFragment {
    pub application: ApplicationKey,
    /// The application's generation that decided these routes. A smaller one never replaces a larger.
    pub generation: Generation,
    pub routes: Vec<Route>,
}

/// All routes that a gateway serves, one fragment for each application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    fragments: BTreeMap<ApplicationKey, RouteFragment>,
}

/// What became of a fragment offered to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FragmentOutcome {
    /// It replaced an older one, or is the application's first.
    Taken,
    /// The table holds the same already.
    Unchanged,
    /// The table holds a newer generation; nothing changed.
    Stale { held: Generation },
}

impl RouteTable {
    /// Puts an application's routes in place of its former ones, unless they are older than those.
    ///
    /// Equal generations replace: a node that restarts offers the same fragment again.
    pub fn offer(&mut self, fragment: RouteFragment) -> FragmentOutcome {
        match self.fragments.get(&fragment.application) {
            Some(held) if held.generation > fragment.generation => FragmentOutcome::Stale {
                held: held.generation,
            },
            Some(held) if *held == fragment => FragmentOutcome::Unchanged,
            _ => {
                self.fragments
                    .insert(fragment.application.clone(), fragment);
                FragmentOutcome::Taken
            }
        }
    }

    /// Takes an application's routes out. True if it had any.
    pub fn remove(&mut self, application: &ApplicationKey) -> bool {
        self.fragments.remove(application).is_some()
    }

    pub fn get(&self, application: &ApplicationKey) -> Option<&RouteFragment> {
        self.fragments.get(application)
    }

    /// Every fragment, by application key.
    pub fn fragments(&self) -> impl Iterator<Item = &RouteFragment> {
        self.fragments.values()
    }
}

impl FromIterator<RouteFragment> for RouteTable {
    fn from_iter<I: IntoIterator<Item = RouteFragment>>(fragments: I) -> Self {
        let mut table = RouteTable::default();
        for fragment in fragments {
            table.offer(fragment);
        }
        table
    }
}

/// One instance that may be given requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where the gateway dials it: a container's address, or a published loopback port for rootless engines.
    pub address: SocketAddr,
    pub instance: InstanceKey,
}

/// What a backend can do with a request now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum BackendState {
    /// Requests go to one of these. With none of them ready they are answered 503 at once.
    Serving { endpoints: Vec<Endpoint> },
    /// The old instance has stopped and the new one is starting (an exclusive volume): new requests wait, each at most so
    /// long, then are answered 503. Written by the node, which also ends it.
    Holding { at_most: Milliseconds },
    /// Stopped by a person: 503 that says so.
    Stopped,
    /// Nothing is known of it (yet): 503.
    #[default]
    Absent,
}

impl BackendState {
    /// The longest time requests are held while a component with an exclusive volume is replaced.
    pub const HOLD: Milliseconds = Milliseconds::seconds(30);

    pub fn holding() -> Self {
        BackendState::Holding {
            at_most: Self::HOLD,
        }
    }

    pub fn endpoints(&self) -> &[Endpoint] {
        match self {
            BackendState::Serving { endpoints } => endpoints,
            _ => &[],
        }
    }
}

/// What is seen of every backend. A backend that is not named is [`BackendState::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Endpoints(BTreeMap<BackendId, BackendState>);

impl Endpoints {
    pub fn set(&mut self, backend: BackendId, state: BackendState) {
        self.0.insert(backend, state);
    }

    pub fn remove(&mut self, backend: &BackendId) -> Option<BackendState> {
        self.0.remove(backend)
    }

    pub fn get(&self, backend: &BackendId) -> &BackendState {
        const ABSENT: &BackendState = &BackendState::Absent;
        self.0.get(backend).unwrap_or(ABSENT)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&BackendId, &BackendState)> {
        self.0.iter()
    }
}

impl FromIterator<(BackendId, BackendState)> for Endpoints {
    fn from_iter<I: IntoIterator<Item = (BackendId, BackendState)>>(states: I) -> Self {
        Endpoints(states.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(generation: u64, host: &str) -> RouteFragment {
        RouteFragment {
            application: "shop".parse().unwrap(),
            generation: Generation(generation),
            routes: vec![Route {
                id: "shop-web".parse().unwrap(),
                hosts: vec![host.parse().unwrap()],
                matches: vec![],
                backends: vec![WeightedBackend::only("shop/web/http".parse().unwrap())],
                limits: RouteLimits::default(),
                disabled: false,
            }],
        }
    }

    #[test]
    fn host_names_are_lowered_and_bad_ones_refused_with_a_reason() {
        let check = |text: &str, want: Result<&str, &str>| match (text.parse::<HostPattern>(), want)
        {
            (Ok(host), Ok(shown)) => assert_eq!(host.to_string(), shown),
            (Err(RouteError::Host { why, .. }), Err(reason)) => assert_eq!(why, reason),
            (got, want) => panic!("{text}: got {got:?}, want {want:?}"),
        };
        check("Shop.Example.COM.", Ok("shop.example.com"));
        check("*.Example.com", Ok("*.example.com"));
        check("*", Ok("*"));
        check("127.0.0.1", Ok("127.0.0.1"));
        check("", Err("it is empty"));
        check("*.", Err("it is empty"));
        check("a..b", Err("it has an empty label"));
        check("-a.b", Err("a label begins or ends with `-`"));
        let odd = Err("only letters, digits, `-`, `_` and dots may be in it");
        check("a.*.b", odd);
        check("shop.example.com:80", odd);
        check("münchen.de", odd);
    }

    #[test]
    fn paths_that_could_never_match_are_refused() {
        for good in ["/", "/a", "/a/", "/a/b.c", "/~x/@y"] {
            assert_eq!(good.parse::<RoutePath>().unwrap().as_str(), good);
        }
        for bad in [
            "", "a", "/a?b", "/a#b", "/a//b", "/a/../b", "/./a", "/a b", "/%41",
        ] {
            assert!(bad.parse::<RoutePath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_stale_fragment_never_replaces_a_newer_one() {
        let mut table = RouteTable::default();
        assert_eq!(table.offer(fragment(2, "a.test")), FragmentOutcome::Taken);
        assert_eq!(
            table.offer(fragment(2, "a.test")),
            FragmentOutcome::Unchanged
        );
        assert_eq!(
            table.offer(fragment(1, "b.test")),
            FragmentOutcome::Stale {
                held: Generation(2)
            }
        );
        assert_eq!(table.offer(fragment(3, "c.test")), FragmentOutcome::Taken);
        assert_eq!(table.fragments().count(), 1);
    }

    #[test]
    fn tables_and_endpoints_come_back_from_text_as_they_were() {
        let table: RouteTable = [fragment(7, "*.shop.test")].into_iter().collect();
        let text = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<RouteTable>(&text).unwrap(), table);

        let mut endpoints = Endpoints::default();
        endpoints.set(
            "shop/web/http".parse().unwrap(),
            BackendState::Serving {
                endpoints: vec![Endpoint {
                    address: "127.0.0.1:9000".parse().unwrap(),
                    instance: "shop--web-1".parse().unwrap(),
                }],
            },
        );
        endpoints.set("shop/db/tcp".parse().unwrap(), BackendState::holding());
        let text = serde_json::to_string(&endpoints).unwrap();
        assert_eq!(serde_json::from_str::<Endpoints>(&text).unwrap(), endpoints);
        assert_eq!(
            endpoints.get(&"shop/none/http".parse().unwrap()),
            &BackendState::Absent
        );
    }

    #[test]
    fn a_route_needs_little_text() {
        let route: Route = serde_json::from_str(
            r#"{"id": "r1", "hosts": ["a.test"], "backends": [{"backend": "a/web/http"}]}"#,
        )
        .unwrap();
        assert_eq!(route.backends[0].weight, 1);
        assert_eq!(route.limits, RouteLimits::default());
        assert!(route.matches.is_empty() && !route.disabled);
    }
}
