//! Hosts, paths, URLs.

use expect_test::expect;
use serde_json::{Value, json};

use super::*;
use crate::sample;

fn urls(components: Value) -> Vec<String> {
    sample::release(components).urls
}

#[test]
fn the_only_component_or_web_has_the_applications_host() {
    let image = "localhost/shop:1";
    assert_eq!(
        urls(json!({ "api": { "image": image } })),
        ["http://shop.localhost:8080"]
    );
    assert_eq!(
        urls(json!({ "api": { "image": image }, "web": { "image": image } })),
        [
            "http://shop.localhost:8080",
            "http://api--shop.localhost:8080"
        ]
    );
    assert_eq!(
        urls(json!({ "api": { "image": image }, "site": { "image": image, "routes": [] } })),
        ["http://shop.localhost:8080"]
    );
    assert_eq!(
        urls(
            json!({ "api": { "image": image, "routes": [{ "path": "/" }] }, "site": { "image": image } })
        ),
        [
            "http://shop.localhost:8080",
            "http://site--shop.localhost:8080"
        ]
    );
    assert_eq!(
        urls(json!({ "api": { "image": image, "routes": [] } })),
        [""; 0]
    );
    refused(
        &sample::shop(json!({ "api": { "image": image }, "site": { "image": image } })),
        expect![[r#"
            spec.conflict at components
              Several components serve HTTP (api, site), and none of them is called `web`: which one shall shop.localhost lead to?
              Write `routes: [{ path: / }]` in the one that is meant; the others get hosts of their own.
        "#]],
    );
}

#[test]
fn a_taken_host_gets_environment_and_team() {
    let spec = sample::shop(
        json!({ "api": { "image": "localhost/a:1" }, "web": { "image": "localhost/b:1" } }),
    );
    let mut facts = sample::facts(&spec);
    facts.short_host_taken = true;
    facts.gateway_port = 80;
    let revision = sample::revision(1, &spec, Origin::Deploy);
    let release = crate::decide(&revision, None, &facts, &mut sample::volume_ids()).unwrap();
    assert_eq!(
        release.urls,
        [
            "http://shop--production--crew.localhost",
            "http://api--shop--production--crew.localhost"
        ]
    );
}

#[test]
fn the_consoles_hosts_are_nobodys() {
    let decided = |host: &str, domain: &str| {
        let spec = sample::shop(json!({ "web": {
            "image": "localhost/shop:1",
            "routes": [{ "host": host }],
        } }));
        let mut facts = sample::facts(&spec);
        facts.domain = domain.to_owned();
        let revision = sample::revision(1, &spec, Origin::Deploy);
        crate::decide(&revision, None, &facts, &mut sample::volume_ids())
    };
    for host in [
        "localhost",
        "LOCALHOST.",
        "127.0.0.1",
        "192.0.2.7",
        "*.0.0.1",
        "*",
        "apps.example.org",
        "*.example.org",
        "*.org",
    ] {
        let problems = decided(host, "apps.example.org").expect_err(host);
        assert!(problems[0].is(problem::HOST_TAKEN), "{host}: {problems:?}");
        let at = problems[0].at.as_ref().unwrap();
        assert_eq!(at.path, "components.web.routes.0.host");
    }
    for host in [
        "shop.localhost",
        "*.localhost",
        "shop.apps.example.org",
        "*.apps.example.org",
        "shop.example.org",
        "*.shop.example.org",
        "*.s.example.org",
        "7.shop",
    ] {
        assert!(decided(host, "apps.example.org").is_ok(), "{host}");
    }
    assert!(decided("localhost", "localhost").is_err());
}

#[test]
fn routes_of_its_own_say_host_path_and_port() {
    let spec = sample::shop(json!({ "web": {
        "image": "localhost/shop:1",
        "ports": { "http": { "port": 8080 }, "grpc": { "port": 9090, "protocol": "http2" } },
        "routes": [
            { "host": "shop.example.org" },
            { "host": "shop.example.org", "path": "/rpc", "port": "grpc" },
            { "host": "*.example.org", "path": "/only", "exact": true },
        ],
    } }));
    check(
        &spec,
        "/routes",
        expect![[r#"
        [
          {
            "id": "web-a8b4743d",
            "hosts": [
              "shop.example.org"
            ],
            "backends": [
              {
                "backend": "01936b2a-0000-7000-8000-0000aaaa0001/web/http",
                "weight": 1,
                "protocol": "http1"
              }
            ],
            "limits": {
              "connect": 5000,
              "response": 60000,
              "idle": 300000
            }
          },
          {
            "id": "web-06414d4a",
            "hosts": [
              "shop.example.org"
            ],
            "matches": [
              {
                "path": {
                  "prefix": "/rpc"
                }
              }
            ],
            "backends": [
              {
                "backend": "01936b2a-0000-7000-8000-0000aaaa0001/web/grpc",
                "weight": 1,
                "protocol": "http2"
              }
            ],
            "limits": {
              "connect": 5000,
              "response": 60000,
              "idle": 300000
            }
          },
          {
            "id": "web-5868a827",
            "hosts": [
              "*.example.org"
            ],
            "matches": [
              {
                "path": {
                  "exact": "/only"
                }
              }
            ],
            "backends": [
              {
                "backend": "01936b2a-0000-7000-8000-0000aaaa0001/web/http",
                "weight": 1,
                "protocol": "http1"
              }
            ],
            "limits": {
              "connect": 5000,
              "response": 60000,
              "idle": 300000
            }
          }
        ]
    "#]],
    );
    check(
        &spec,
        "/urls",
        expect![[r#"
        [
          "http://shop.example.org:8080",
          "http://shop.example.org:8080/rpc"
        ]
    "#]],
    );
}

#[test]
fn routes_that_contradict_are_refused() {
    let spec = sample::shop(json!({
        "web": { "image": "localhost/shop:1", "routes": [{ "host": "a.test" }, { "port": "grpc" }] },
        "api": { "image": "localhost/api:1", "routes": [{ "host": "a.test" }] },
        "db": { "image": "localhost/db:1", "ports": { "sql": { "port": 1, "protocol": "tcp" } }, "routes": [{}] },
    }));
    refused(
        &spec,
        expect![[r#"
        spec.unknown-reference at components.web.routes.1.port
          web has no port grpc.
          Its ports are: http.
        spec.conflict at components.api.routes.0
          web and api both answer for a.test/.
          Give one of them another host or path.
        spec.invalid at components.db.routes.0
          db has a route and no HTTP port.
          Declare the port under `ports`: `ports: { http: { port: 8080 } }`.
    "#]],
    );
}
