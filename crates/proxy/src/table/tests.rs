//! The compiled table against the rules, and against a matcher so simple that it is plainly right.

use std::time::Instant;

use pluvio_model::{
    id::Generation,
    route::{RouteFragment, RouteLimits, WeightedBackend},
};
use proptest::prelude::*;

use super::*;

#[derive(Default)]
struct Kept(HashMap<BackendId, Arc<Backend>>);

impl Lasting for Kept {
    fn backend(&mut self, id: &BackendId) -> Arc<Backend> {
        self.0
            .entry(id.clone())
            .or_insert_with(|| Arc::new(Backend::new(id.clone())))
            .clone()
    }
    fn series(&mut self, _: &ApplicationKey, _: &RouteId) -> Arc<Series> {
        Arc::default()
    }
}

fn route(id: &str, hosts: &[&str], paths: &[PathMatch]) -> Route {
    Route {
        id: id.parse().unwrap(),
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        matches: paths
            .iter()
            .map(|path| RouteMatch { path: path.clone() })
            .collect(),
        backends: vec![WeightedBackend::only("a/web/http".parse().unwrap())],
        limits: RouteLimits::default(),
        disabled: false,
    }
}

fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(path.parse().unwrap())
}

fn exact(path: &str) -> PathMatch {
    PathMatch::Exact(path.parse().unwrap())
}

fn table(routes: Vec<Route>) -> Table {
    let fragment = RouteFragment {
        application: "a".parse().unwrap(),
        generation: Generation(1),
        routes,
    };
    Table::compile(&[fragment].into_iter().collect(), &mut Kept::default()).0
}

fn found(table: &Table, host: &str, path: &str) -> Option<String> {
    table.lookup(host, path).map(|route| route.id.to_string())
}

#[test]
fn the_most_specific_host_then_the_longest_path_wins() {
    let table = table(vec![
        route("root", &["shop.test"], &[prefix("/")]),
        route("api", &["shop.test"], &[prefix("/api/")]),
        route("login", &["shop.test"], &[exact("/api/login")]),
        route("star", &["*.shop.test"], &[]),
        route("deep", &["*.eu.shop.test"], &[prefix("/only")]),
        route("any", &["*"], &[prefix("/health")]),
    ]);
    let check = |host: &str, path: &str, want: &str| {
        assert_eq!(
            found(&table, host, path).as_deref().unwrap_or("-"),
            want,
            "{host}{path}"
        );
    };
    check("shop.test", "/", "root");
    check("SHOP.test.", "/x", "root");
    check("shop.test", "/api", "api");
    check("shop.test", "/api/", "api");
    check("shop.test", "/api/login", "login");
    check("shop.test", "/api/login/", "api");
    check("shop.test", "/apis", "root");
    check("a.shop.test", "/", "star");
    check("a.b.shop.test", "/", "star");
    check("a.eu.shop.test", "/only/x", "deep");
    // The more specific host decides alone.
    check("a.eu.shop.test", "/", "-");
    check("other.test", "/health", "any");
    check("other.test", "/", "-");
    check(".shop.test", "/", "-");
    check("", "/health", "any");
}

#[test]
fn another_spelling_of_a_path_takes_the_same_route() {
    let table = table(vec![
        route("root", &["a.test"], &[prefix("/")]),
        route("admin", &["a.test"], &[prefix("/admin")]),
    ]);
    let check = |path: &str, want: &str| {
        assert_eq!(
            found(&table, "a.test", path).as_deref(),
            Some(want),
            "{path}"
        );
    };
    for path in [
        "/admin",
        "/%61dmin/x",
        "/x/../admin",
        "/./admin/",
        "//admin",
        "/%2e/admin",
        "/../admin",
        "/x/%2E%2e/admin",
    ] {
        check(path, "admin");
    }
    for path in [
        "/admin/..",
        "/a%2fdmin",
        "/x%2f..%2fadmin",
        "/administrator",
        "/%",
        "/%4",
        "/%zz",
    ] {
        check(path, "root");
    }
}

#[test]
fn the_first_of_two_equal_claims_wins_and_the_other_is_named() {
    let fragment = |application: &str, id: &str| RouteFragment {
        application: application.parse().unwrap(),
        generation: Generation(1),
        routes: vec![route(id, &["a.test"], &[prefix("/")])],
    };
    let routes = [fragment("b", "late"), fragment("a", "early")]
        .into_iter()
        .collect();
    let (table, conflicts) = Table::compile(&routes, &mut Kept::default());
    assert_eq!(found(&table, "a.test", "/").as_deref(), Some("early"));
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].loser.1.as_str(), "late");
}

#[test]
fn a_route_switched_off_is_kept_but_takes_nothing() {
    let mut off = route("off", &["a.test"], &[]);
    off.disabled = true;
    assert_eq!(found(&table(vec![off]), "a.test", "/"), None);
}

#[test]
fn weights_hold_over_short_runs() {
    let mut split = route("split", &["a.test"], &[]);
    split.backends = [
        ("a/web/http", 90),
        ("a/canary/http", 10),
        ("a/none/http", 0),
    ]
    .map(|(backend, weight)| WeightedBackend {
        weight,
        ..WeightedBackend::only(backend.parse().unwrap())
    })
    .to_vec();
    let table = table(vec![split]);
    let route = table.lookup("a.test", "/").unwrap();
    for run in 0..10 {
        let canary = (0..100)
            .filter(|_| route.choose().unwrap().backend.id.component().as_str() == "canary")
            .count();
        assert!((8..=12).contains(&canary), "run {run}: {canary} of 100");
    }
}

/// G1: ten thousand routes compile in far less than the second that a change may take.
#[test]
fn g1_ten_thousand_routes_compile_within_a_second() {
    let routes: Vec<Route> = (0..10_000)
        .map(|n| {
            route(
                &format!("r{n}"),
                &[&format!("app-{}.team-{}.test", n / 4, n % 7)],
                &[prefix(&format!("/part-{}/v{n}", n % 4)), exact("/exact")],
            )
        })
        .collect();
    let fragment = RouteFragment {
        application: "a".parse().unwrap(),
        generation: Generation(1),
        routes,
    };
    let routes = [fragment].into_iter().collect();
    let began = Instant::now();
    let (table, _) = Table::compile(&routes, &mut Kept::default());
    assert!(began.elapsed().as_secs_f64() < 1.0, "{:?}", began.elapsed());
    assert_eq!(
        found(&table, "app-2499.team-3.test", "/part-3/v9999/x"),
        (9999 % 7 == 3).then(|| "r9999".to_owned())
    );
}

/// The rules, one route after the other.
fn naive(routes: &[Route], host: &str, path: &str) -> Option<String> {
    let rank = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(name) => (**name == *host).then_some(usize::MAX),
        HostPattern::Below(suffix) => host
            .strip_suffix(&**suffix)
            .and_then(|rest| rest.strip_suffix('.'))
            .filter(|rest| !rest.is_empty())
            .map(|_| suffix.len()),
        HostPattern::Any => Some(0),
    };
    let matches = |pattern: &PathMatch| match pattern {
        PathMatch::Exact(want) => (want.as_str() == path).then_some(usize::MAX),
        PathMatch::Prefix(want) => {
            let want = want.as_str().trim_end_matches('/');
            path.strip_prefix(want)
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
                .map(|_| want.len())
        }
    };
    let best = routes
        .iter()
        .flat_map(|r| &r.hosts)
        .filter_map(rank)
        .max()?;
    let mut winner: Option<(usize, &Route)> = None;
    for route in routes {
        if !route.hosts.iter().any(|host| rank(host) == Some(best)) {
            continue;
        }
        let longest = if route.matches.is_empty() {
            Some(0)
        } else {
            route.matches.iter().filter_map(|m| matches(&m.path)).max()
        };
        if let Some(length) = longest
            && winner.is_none_or(|(known, _)| length > known)
        {
            winner = Some((length, route));
        }
    }
    winner.map(|(_, route)| route.id.to_string())
}

fn some_path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "c"]), 0..4).prop_flat_map(
        |parts| {
            prop::bool::ANY.prop_map(move |slash| {
                let joined = format!("/{}", parts.join("/"));
                if slash && joined != "/" {
                    joined + "/"
                } else {
                    joined
                }
            })
        },
    )
}

fn some_host() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "test"]), 1..4)
        .prop_map(|labels| labels.join("."))
}

fn some_route() -> impl Strategy<Value = (Vec<String>, Vec<(bool, String)>)> {
    let host = prop_oneof![
        4 => some_host(),
        3 => some_host().prop_map(|suffix| format!("*.{suffix}")),
        1 => Just("*".to_owned()),
    ];
    (
        prop::collection::vec(host, 1..3),
        prop::collection::vec((prop::bool::ANY, some_path()), 0..3),
    )
}

proptest! {
    #[test]
    fn the_compiled_table_agrees_with_the_naive_matcher(
        described in prop::collection::vec(some_route(), 0..8),
        requests in prop::collection::vec((some_host(), some_path()), 1..20),
    ) {
        let routes: Vec<Route> = described
            .iter()
            .enumerate()
            .map(|(n, (hosts, paths))| {
                let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
                let paths: Vec<PathMatch> = paths
                    .iter()
                    .map(|(is_exact, path)| if *is_exact { exact(path) } else { prefix(path) })
                    .collect();
                route(&format!("r{n}"), &hosts, &paths)
            })
            .collect();
        let table = table(routes.clone());
        for (host, path) in &requests {
            prop_assert_eq!(
                found(&table, host, path),
                naive(&routes, host, path),
                "{}{}", host, path
            );
        }
    }

    #[test]
    fn no_host_or_path_makes_it_panic(host in ".{0,300}", path in ".{0,40}") {
        let table = table(vec![route("r", &["*.test", "*"], &[prefix("/a")])]);
        let _ = table.lookup(&host, &path);
    }
}
