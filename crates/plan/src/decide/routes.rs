//! Where people find the application: hosts, paths, URLs.

use indexmap::IndexMap;
use pluvio_model::facts::DecideFacts;
use pluvio_model::image::ContentHash;
use pluvio_model::name::{Name, derived};
use pluvio_model::problem::{
    HOST_TAKEN, Problem, SPEC_CONFLICT, SPEC_INVALID, SPEC_UNKNOWN_REFERENCE,
};
use pluvio_model::route::{
    BackendId, BackendPart, BackendProtocol, HostPattern, PathMatch, Route, RouteLimits,
    RouteMatch, WeightedBackend,
};
use pluvio_model::spec::{AppSpec, Kind, PortProtocol, RouteSpec};

use super::ports::{self, Ports};

/// The environment that a team starts with: its applications have the short hosts, whatever others come first.
const FIRST_ENVIRONMENT: &str = "production";

/// Routes for the gateway, and URLs for people, the best first.
#[derive(Default)]
pub(super) struct Routes {
    pub(super) routes: Vec<Route>,
    pub(super) urls: Vec<String>,
}

pub(super) fn decide(
    spec: &AppSpec,
    ports: &IndexMap<Name, Ports>,
    facts: &DecideFacts,
    problems: &mut Vec<Problem>,
) -> Routes {
    let deciding = Deciding { spec, ports, facts };
    let main = match deciding.main_component() {
        Ok(main) => main,
        Err(problem) => {
            problems.push(problem);
            return Routes::default();
        }
    };
    let mut claims: Vec<(HostPattern, PathMatch, Name)> = Vec::new();
    let (mut first, mut rest) = (Routes::default(), Routes::default());
    for (name, component) in &spec.components {
        let asked = match &component.routes {
            Some(routes) => routes.clone(),
            None if deciding.is_offered(name) => vec![RouteSpec {
                host: None,
                path: None,
                exact: false,
                port: None,
            }],
            None => Vec::new(),
        };
        for (index, asked) in asked.iter().enumerate() {
            let path = format!("components.{name}.routes.{index}");
            let (host, path_match, route) = match deciding.route(name, asked, main.as_ref(), &path)
            {
                Ok(decided) => decided,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let claim = claims
                .iter()
                .find(|claim| claim.0 == host && claim.1 == path_match);
            if let Some((_, _, other)) = claim {
                problems.push(
                    SPEC_CONFLICT
                        .problem(
                            format!(
                                "{other} and {name} both answer for {host}{}.",
                                path_match.path().as_str()
                            ),
                            "Give one of them another host or path.",
                        )
                        .path(path),
                );
                continue;
            }
            let routes = if main.as_ref() == Some(name) {
                &mut first
            } else {
                &mut rest
            };
            routes.urls.extend(deciding.url(&host, &path_match));
            routes.routes.push(route);
            claims.push((host, path_match, name.clone()));
        }
    }
    first.routes.append(&mut rest.routes);
    first.urls.append(&mut rest.urls);
    first
}

struct Deciding<'a> {
    spec: &'a AppSpec,
    ports: &'a IndexMap<Name, Ports>,
    facts: &'a DecideFacts,
}

impl Deciding<'_> {
    fn serves_http(&self, name: &Name) -> bool {
        self.ports
            .get(name)
            .is_some_and(|ports| ports::first_http(ports).is_some())
    }

    /// Whether it has a route without asking for one. What is outside is somebody else's: it is shown to visitors only when
    /// a route says so.
    fn is_offered(&self, name: &Name) -> bool {
        self.serves_http(name) && self.spec.components[name].kind != Kind::External
    }

    /// The component that has the application's own host: the only one with an HTTP port, else `web`, else the one that asks
    /// for a route without a host.
    fn main_component(&self) -> Result<Option<Name>, Problem> {
        let routed = |name: &&Name| match &self.spec.components[*name].routes {
            Some(routes) => self.serves_http(name) && !routes.is_empty(),
            None => self.is_offered(name),
        };
        let candidates: Vec<&Name> = self.spec.components.keys().filter(routed).collect();
        let without_host: Vec<&Name> = candidates
            .iter()
            .copied()
            .filter(|name| match &self.spec.components[*name].routes {
                Some(routes) => routes.iter().any(|route| route.host.is_none()),
                None => false,
            })
            .collect();
        let by_default: Vec<&Name> = candidates
            .iter()
            .copied()
            .filter(|name| self.spec.components[*name].routes.is_none())
            .collect();
        let web = candidates
            .iter()
            .find(|name| name.as_str() == "web")
            .copied();
        match (&candidates[..], &without_host[..], &by_default[..]) {
            ([], ..) => Ok(None),
            ([only], ..) => Ok(Some((*only).clone())),
            _ if web.is_some() => Ok(web.cloned()),
            (_, [one], _) => Ok(Some((*one).clone())),
            // Everyone has hosts of its own.
            (_, [], []) => Ok(None),
            (_, [], [one]) => Ok(Some((*one).clone())),
            _ => {
                let names: Vec<&str> = candidates.iter().map(|name| name.as_str()).collect();
                Err(SPEC_CONFLICT
                    .problem(
                        format!(
                            "Several components serve HTTP ({}), and none of them is called `web`: which one shall {} lead to?",
                            names.join(", "),
                            self.host_of(None)
                        ),
                        "Write `routes: [{ path: / }]` in the one that is meant; the others get hosts of their own.",
                    )
                    .path("components"))
            }
        }
    }

    /// `APP.DOMAIN`, or `COMPONENT--APP.DOMAIN`; with environment and team in another environment than the first, and where
    /// the short host is another application's.
    fn host_of(&self, component: Option<&Name>) -> String {
        let mut parts = Vec::new();
        parts.extend(component.map(Name::as_str));
        parts.push(self.spec.name.as_str());
        if self.facts.short_host_taken || self.facts.environment.as_str() != FIRST_ENVIRONMENT {
            parts.extend([self.facts.environment.as_str(), self.facts.team.as_str()]);
        }
        format!("{}.{}", derived(&parts), self.facts.domain)
    }

    fn route(
        &self,
        name: &Name,
        asked: &RouteSpec,
        main: Option<&Name>,
        path: &str,
    ) -> Result<(HostPattern, PathMatch, Route), Problem> {
        let nothing = Ports::new();
        let known = self.ports.get(name).unwrap_or(&nothing);
        let (port_name, port) = match &asked.port {
            None => ports::first_http(known).ok_or_else(|| {
                SPEC_INVALID
                    .problem(
                        format!("{name} has a route and no HTTP port."),
                        "Declare the port under `ports`: `ports: { http: { port: 8080 } }`.",
                    )
                    .path(path)
            })?,
            Some(wanted) => known.get_key_value(wanted).ok_or_else(|| {
                let names: Vec<&str> = known.keys().map(|name| name.as_str()).collect();
                SPEC_UNKNOWN_REFERENCE
                    .problem(
                        format!("{name} has no port {wanted}."),
                        format!("Its ports are: {}.", names.join(", ")),
                    )
                    .path(format!("{path}.port"))
            })?,
        };
        let protocol = match port.protocol {
            PortProtocol::Http => BackendProtocol::Http1,
            PortProtocol::Http2 => BackendProtocol::Http2,
            PortProtocol::Tcp | PortProtocol::Udp => {
                return Err(SPEC_INVALID
                    .problem(
                        format!("The port {port_name} of {name} does not speak HTTP."),
                        "Route an HTTP port; other ports are reached by `publish`.",
                    )
                    .path(format!("{path}.port")));
            }
        };
        let host = match &asked.host {
            Some(host) => host.clone(),
            None => {
                let own = self.host_of(Some(name).filter(|name| Some(*name) != main));
                own.parse().map_err(|error| {
                    SPEC_INVALID
                        .problem(
                            format!("The default host of {name} cannot be used: {error}."),
                            "Name a host in its route, or correct the gateway's domain.",
                        )
                        .path(path)
                })?
            }
        };
        if self.covers_the_console(&host) {
            return Err(HOST_TAKEN
                .problem(
                    format!(
                        "The console is reached at a host that {host} covers: a browser that is signed in there would send the session's cookie to {name} as well, whatever the port."
                    ),
                    format!(
                        "Choose a name of its own, such as {}.",
                        self.host_of(None)
                    ),
                )
                .path(format!("{path}.host")));
        }
        let path_match = asked.path_match();
        // The same route has the same id in every release, so that its metrics go on.
        let digits = ContentHash::of(&(name, port_name, &host, &path_match));
        let id = format!("{name}-{}", &digits.as_str()[..8]);
        let backend = BackendId::new(
            self.facts.application.into(),
            BackendPart::from(name),
            BackendPart::from(port_name),
        );
        let route = Route {
            id: id.parse().expect("a slug and hex digits"),
            hosts: vec![host.clone()],
            matches: match &path_match {
                all if *all == PathMatch::default() => Vec::new(),
                some => vec![RouteMatch { path: some.clone() }],
            },
            backends: vec![WeightedBackend {
                protocol,
                ..WeightedBackend::only(backend)
            }],
            limits: RouteLimits::default(),
            disabled: false,
        };
        Ok((host, path_match, route))
    }

    /// The console answers at `localhost`, at any address and at the domain itself. Cookies know hosts and no ports.
    fn covers_the_console(&self, host: &HostPattern) -> bool {
        let domain = self.facts.domain.to_ascii_lowercase();
        let is_address = |name: &str| {
            let last = name.rsplit('.').next().unwrap_or_default();
            !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit())
        };
        match host {
            HostPattern::Any => true,
            HostPattern::Exact(name) => {
                **name == *"localhost" || **name == *domain || is_address(name)
            }
            HostPattern::Below(suffix) => {
                is_address(suffix)
                    || domain
                        .strip_suffix(&**suffix)
                        .is_some_and(|rest| rest.ends_with('.'))
            }
        }
    }

    /// What a person can open; nothing for a pattern that stands for many hosts.
    fn url(&self, host: &HostPattern, path: &PathMatch) -> Option<String> {
        let HostPattern::Exact(host) = host else {
            return None;
        };
        let port = match self.facts.gateway_port {
            80 => String::new(),
            port => format!(":{port}"),
        };
        let path = path.path().as_str();
        let path = if path == "/" { "" } else { path };
        Some(format!("http://{host}{port}{path}"))
    }
}
