//! Routes as requests look them up: host, then a tree of path segments. Immutable once compiled; swapped whole.
//!
//! A lookup allocates nothing (but for paths with escapes or dot segments, which are made plain first) and takes time by the
//! length of the path and the host, not by the number of routes. The rules are those of [`pluvio_model::route::Route`].

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pluvio_model::route::{
    ApplicationKey, BackendId, BackendProtocol, HostPattern, PathMatch, Route, RouteId,
    RouteLimits, RouteMatch, RoutePath, RouteTable,
};

use crate::{backend::Backend, metrics::Series};

/// A compiled [`RouteTable`].
#[derive(Debug, Default)]
pub(crate) struct Table {
    exact: HashMap<Box<str>, Node>,
    /// By suffix, without star and dot.
    below: HashMap<Box<str>, Node>,
    any: Option<Node>,
}

/// A place in a host's tree of path segments.
#[derive(Debug, Default)]
struct Node {
    /// Sorted by segment.
    children: Vec<(Box<str>, Node)>,
    /// Of a path that ends here. Once routes have further predicates (method, headers), these two become lists.
    exact: Option<Arc<CompiledRoute>>,
    /// Of this path and everything below it.
    prefix: Option<Arc<CompiledRoute>>,
}

/// A route as a request takes it.
#[derive(Debug)]
pub(crate) struct CompiledRoute {
    pub(crate) application: ApplicationKey,
    pub(crate) id: RouteId,
    pub(crate) limits: CompiledLimits,
    choices: Box<[Choice]>,
    /// Sum of the weights.
    total: u64,
    turn: AtomicU64,
    pub(crate) series: Arc<Series>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct CompiledLimits {
    pub(crate) connect: Duration,
    pub(crate) response: Duration,
    pub(crate) idle: Duration,
    pub(crate) body_bytes: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) backend: Arc<Backend>,
    pub(crate) protocol: BackendProtocol,
    /// Sum of the weights up to and with this one.
    up_to: u64,
}

/// Two routes that claim the same host and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub host: HostPattern,
    pub path: PathMatch,
    /// Serves.
    pub winner: (ApplicationKey, RouteId),
    /// Does not.
    pub loser: (ApplicationKey, RouteId),
}

impl CompiledRoute {
    /// Leads to one backend, whatever is asked for. Its limits are a route's own defaults, but for the size of bodies: what
    /// components send each other is their own affair.
    pub(crate) fn inner(
        application: ApplicationKey,
        id: RouteId,
        backend: Arc<Backend>,
        protocol: BackendProtocol,
        series: Arc<Series>,
    ) -> CompiledRoute {
        let limits = RouteLimits::default();
        CompiledRoute {
            application,
            id,
            limits: CompiledLimits {
                connect: limits.connect.duration(),
                response: limits.response.duration(),
                idle: limits.idle.duration(),
                body_bytes: None,
            },
            choices: Box::new([Choice {
                backend,
                protocol,
                up_to: 1,
            }]),
            total: 1,
            turn: AtomicU64::new(0),
            series,
        }
    }

    /// Which backend this request goes to. None if all weights are 0.
    ///
    /// Multiples of the golden ratio, modulo 1, fill the unit interval evenly, so that every run of requests has nearly the
    /// shares that the weights ask for, without a random number and without long runs to one backend (a Weyl sequence; Knuth,
    /// The Art of Computer Programming, volume 3, 6.4).
    pub(crate) fn choose(&self) -> Option<&Choice> {
        if let [only] = &*self.choices {
            return Some(only);
        }
        if self.total == 0 {
            return None;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let point = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let at = ((u128::from(point) * u128::from(self.total)) >> 64) as u64;
        self.choices.iter().find(|choice| at < choice.up_to)
    }
}

/// What compiling needs from the rest of the data plane: things that outlive a table.
pub(crate) trait Lasting {
    fn backend(&mut self, id: &BackendId) -> Arc<Backend>;
    fn series(&mut self, application: &ApplicationKey, route: &RouteId) -> Arc<Series>;
}

impl Table {
    pub(crate) fn compile(
        routes: &RouteTable,
        lasting: &mut impl Lasting,
    ) -> (Table, Vec<Conflict>) {
        let mut table = Table::default();
        let mut conflicts = Vec::new();
        let everything = [RouteMatch::default()];
        for fragment in routes.fragments() {
            for route in fragment.routes.iter().filter(|route| !route.disabled) {
                let compiled = Arc::new(compile(&fragment.application, route, lasting));
                let matches = if route.matches.is_empty() {
                    &everything[..]
                } else {
                    &route.matches
                };
                for host in &route.hosts {
                    let root = table.root(host);
                    for matched in matches {
                        if let Some(winner) = root.insert(&matched.path, &compiled) {
                            conflicts.push(Conflict {
                                host: host.clone(),
                                path: matched.path.clone(),
                                winner: (winner.application.clone(), winner.id.clone()),
                                loser: (fragment.application.clone(), route.id.clone()),
                            });
                        }
                    }
                }
            }
        }
        (table, conflicts)
    }

    fn root(&mut self, host: &HostPattern) -> &mut Node {
        match host {
            HostPattern::Exact(name) => self.exact.entry((&**name).into()).or_default(),
            HostPattern::Below(suffix) => self.below.entry((&**suffix).into()).or_default(),
            HostPattern::Any => self.any.get_or_insert_default(),
        }
    }

    /// The route for a host (without port, any case) and a path (as the client sent it).
    pub(crate) fn lookup(&self, host: &str, path: &str) -> Option<&Arc<CompiledRoute>> {
        let mut lowered = [0u8; 253];
        let host = host.strip_suffix('.').unwrap_or(host);
        let host = if host.bytes().any(|b| b.is_ascii_uppercase()) {
            let lowered = lowered.get_mut(..host.len())?;
            lowered.copy_from_slice(host.as_bytes());
            lowered.make_ascii_lowercase();
            std::str::from_utf8(lowered).ok()?
        } else {
            host
        };
        self.host(host)?.find(&plain(path))
    }

    fn host(&self, host: &str) -> Option<&Node> {
        if let Some(node) = self.exact.get(host) {
            return Some(node);
        }
        if !self.below.is_empty() {
            let mut rest = host;
            while let Some((label, suffix)) = rest.split_once('.') {
                if label.is_empty() {
                    break;
                }
                if let Some(node) = self.below.get(suffix) {
                    return Some(node);
                }
                rest = suffix;
            }
        }
        self.any.as_ref()
    }
}

fn compile(
    application: &ApplicationKey,
    route: &Route,
    lasting: &mut impl Lasting,
) -> CompiledRoute {
    let mut total = 0;
    let choices = route
        .backends
        .iter()
        .filter(|reference| reference.weight > 0)
        .map(|reference| {
            total += u64::from(reference.weight);
            Choice {
                backend: lasting.backend(&reference.backend),
                protocol: reference.protocol,
                up_to: total,
            }
        })
        .collect();
    CompiledRoute {
        application: application.clone(),
        id: route.id.clone(),
        limits: CompiledLimits {
            connect: route.limits.connect.duration(),
            response: route.limits.response.duration(),
            idle: route.limits.idle.duration(),
            body_bytes: route.limits.body_bytes,
        },
        choices,
        total,
        turn: AtomicU64::new(0),
        series: lasting.series(application, &route.id),
    }
}

impl Node {
    /// Puts a route in its place, unless another has it: then that one is returned.
    fn insert(
        &mut self,
        path: &PathMatch,
        route: &Arc<CompiledRoute>,
    ) -> Option<Arc<CompiledRoute>> {
        let mut node = self;
        for segment in segments(path) {
            let at = node
                .children
                .binary_search_by(|(name, _)| (**name).cmp(segment))
                .unwrap_or_else(|at| {
                    node.children.insert(at, (segment.into(), Node::default()));
                    at
                });
            node = &mut node.children[at].1;
        }
        let place = match path {
            PathMatch::Exact(_) => &mut node.exact,
            PathMatch::Prefix(_) => &mut node.prefix,
        };
        match place {
            Some(winner) => Some(winner.clone()),
            None => {
                *place = Some(route.clone());
                None
            }
        }
    }

    fn find(&self, path: &str) -> Option<&Arc<CompiledRoute>> {
        let mut longest = self.prefix.as_ref();
        let mut node = self;
        // What is not a path (`*` of OPTIONS) is below the root only.
        for segment in path.strip_prefix('/')?.split('/') {
            let child = node
                .children
                .binary_search_by(|(name, _)| (**name).cmp(segment));
            match child {
                Ok(at) => node = &node.children[at].1,
                Err(_) => return longest,
            }
            if node.prefix.is_some() {
                longest = node.prefix.as_ref();
            }
        }
        node.exact.as_ref().or(longest)
    }
}

/// The segments of a path to match. `/` has one, empty, when it is matched exactly and none as a prefix; so has every
/// trailing slash.
fn segments(path: &PathMatch) -> impl Iterator<Item = &str> {
    let (path, exact): (&RoutePath, bool) = match path {
        PathMatch::Exact(path) => (path, true),
        PathMatch::Prefix(path) => (path, false),
    };
    let text = path.as_str().strip_prefix('/').unwrap_or_default();
    let text = if exact {
        Some(text)
    } else {
        Some(text.strip_suffix('/').unwrap_or(text)).filter(|text| !text.is_empty())
    };
    text.into_iter().flat_map(|text| text.split('/'))
}

/// The path as routes are compared with it: escapes of plain characters undone, dot segments resolved, empty segments dropped.
/// The instance gets the path as the client sent it. Comparing a plain form keeps a request from slipping past the route it
/// belongs to by spelling its path in another way.
fn plain(path: &str) -> Cow<'_, str> {
    let odd = path.contains('%') || path.contains("/.") || path.contains("//");
    if !odd {
        return Cow::Borrowed(path);
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => hex(*high)
                .zip(hex(*low))
                .map(|(high, low)| high << 4 | low)
                // A slash that is escaped is not a separator. Others that are escaped are data.
                .filter(|byte| byte.is_ascii_graphic() && !b"/%?#\\".contains(byte)),
            _ => None,
        };
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = text.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "" | "." if !last => {}
            ".." if !last => {
                kept.pop();
            }
            "." => kept.push(""),
            ".." => {
                kept.pop();
                kept.push("");
            }
            segment => kept.push(segment),
        }
    }
    Cow::Owned(format!("/{}", kept.join("/")))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests;
