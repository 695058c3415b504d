//! Who dials whom, at which ports.

use serde_json::{Value, json};

use super::*;
use crate::sample;

#[test]
fn only_addresses_are_dialled() {
    for (text, ports) in [
        ("http://api:9000/v1", &[9000][..]),
        ("api:9000", &[9000]),
        ("tcp://user:pw@api:5000,api:5001", &[5000, 5001]),
        ("HOST=api:80 next", &[80]),
        ("registry.test/api:80", &[]),
        ("my-api:9000 api.test:9000 api2:9000", &[]),
        ("api:1.27 api:80-alpine api:0 api:70000 api:", &[]),
    ] {
        assert_eq!(dialled(text, "api"), ports, "{text}");
    }
}

fn shop(web: Value, api: Value) -> AppSpec {
    sample::shop(json!({ "web": web, "api": api }))
}

#[test]
fn c4_a_closed_port_is_named_at_once_with_the_offer_to_open_it() {
    let web = |url: &str| {
        json!({ "image": "localhost/web:1", "uses": ["api"], "routes": [{ "path": "/" }],
            "env": { "API": url } })
    };
    let api = json!({ "image": "localhost/api:1", "routes": [],
        "ports": { "http": { "port": 8080 } } });
    let spec = shop(web("http://${api.host}:9000"), api);
    let told = of_spec(&spec);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        told[0].cause,
        "web dials api at port 9000, which is not open: api opens 8080 alone."
    );
    assert_eq!(told[0].at.as_ref().unwrap().path, "components.web.env.API");
    // The decision says the same, and takes the mended specification.
    let refused = sample::decide(1, &spec, None).unwrap_err();
    assert_eq!(refused, told);
    let mended = mend(&spec, &told[0].fixes);
    let release = sample::decide(1, &mended, None).unwrap();
    let ports = |release: &Release| -> Vec<u16> {
        let ports = &release.components["api"].content.ports;
        ports.values().map(|port| port.port).collect()
    };
    assert_eq!(ports(&release), [8080, 9000]);
    assert_eq!(of_spec(&mended), []);
}

#[test]
fn what_the_image_exposes_stays_open_when_another_port_is_opened() {
    let spec = shop(
        json!({ "image": "localhost/web:1", "uses": ["api"], "routes": [{ "path": "/" }],
            "command": ["serve", "--api", "http://api:9000"] }),
        json!({ "image": "localhost/api:1", "routes": [] }),
    );
    assert_eq!(of_spec(&spec), [], "its ports are the image's to tell");
    let refused = sample::decide(1, &spec, None).unwrap_err();
    let mended = mend(&spec, &refused[0].fixes);
    let ports: Vec<u16> = mended.components["api"]
        .ports
        .values()
        .map(|port| port.port)
        .collect();
    assert_eq!(ports, [8080, 9000]);
    sample::decide(1, &mended, None).unwrap();
}

#[test]
fn where_nothing_was_closed_what_others_dial_is_open() {
    let spec = |uses: Value, api: &Value| {
        let web = json!({ "image": "localhost/web:1", "routes": [{ "path": "/" }], "uses": uses,
            "env": { "API": "http://user:word@api:9000,http://old-api:7000" },
            "command": ["serve", "--not", "my-api:9001", "--udp", "api"] });
        shop(web, api.clone())
    };
    let ports = |spec: &AppSpec| -> Vec<u16> {
        let release = sample::decide(1, spec, None).unwrap();
        let ports = &release.components["api"].content.ports;
        ports.values().map(|port| port.port).collect()
    };
    let foreign = json!({ "image": "localhost/api:1", "routes": [], "imagePorts": true,
        "aliases": ["old-api"], "ports": { "admin": { "port": 5000, "protocol": "tcp" } } });
    for uses in [json!([]), json!(["api"])] {
        let spec = spec(uses, &foreign);
        assert_eq!(of_spec(&spec), []);
        assert_eq!(ports(&spec), [5000, 8080, 7000, 9000]);
    }
    let own = json!({ "image": "localhost/api:1", "routes": [], "aliases": ["old-api"] });
    assert_eq!(ports(&spec(json!([]), &own)), [8080]);
}

#[test]
fn what_a_mounted_file_dials_is_open_where_nothing_was_closed() {
    let conf = "# of api:x\nserver { location / { proxy_pass http://api:3000; } }\n";
    let files = json!({ "/etc/nginx/nginx.conf": { "content": conf, "raw": true } });
    let api = json!({ "image": "localhost/api:1", "routes": [], "imagePorts": true });
    let web = json!({ "image": "localhost/web:1", "routes": [{ "path": "/" }], "files": files });
    let beside = json!({ "image": "localhost/web:1", "routes": [{ "path": "/" }],
        "sidecars": { "proxy": { "image": "localhost/proxy:1", "files": files } } });
    for user in [web, beside] {
        let spec = shop(user, api.clone());
        let all = dialled_by_others(&spec);
        let ports: Vec<u16> = all.values().flatten().copied().collect();
        assert_eq!(ports, [3000]);
        let release = sample::decide(1, &spec, None).unwrap();
        let open = &release.components["api"].content.ports;
        assert!(open.values().any(|port| port.port == 3000), "{open:?}");
    }
}

#[test]
fn a_host_and_a_port_may_be_named_apart() {
    let spec = |env: Value| {
        let api = json!({ "image": "localhost/api:1", "routes": [], "imagePorts": true,
            "aliases": ["cache"] });
        let web = json!({ "image": "localhost/web:1", "routes": [{ "path": "/" }],
            "env": env });
        shop(web, api)
    };
    let dialled = |spec: &AppSpec| -> Vec<u16> {
        let all = dialled_by_others(spec);
        all.values().flatten().copied().collect()
    };
    for (env, ports) in [
        (
            json!({ "API_HOST": "api", "API_PORT": "9000" }),
            &[9000][..],
        ),
        (json!({ "PORT": "7000", "HOST": "cache" }), &[7000]),
        (
            json!({ "A_SERVER": "api", "A_PORT": "1", "B_ADDR": "cache", "B_PORT": "2",
                "C_HOST_NAME": "api", "C_PORT": "3", "d_address": "api", "d_port": "4" }),
            &[1, 2, 3, 4],
        ),
        // Of different prefixes, of nobody here, no port.
        (json!({ "API_HOST": "api", "WEB_PORT": "9000" }), &[]),
        (json!({ "API_HOST": "http://api", "API_PORT": "9000" }), &[]),
        (json!({ "API_HOST": "api.test", "API_PORT": "9000" }), &[]),
        (json!({ "API_HOST": "api", "API_PORT": "0" }), &[]),
        (json!({ "API_HOST": "api", "API_PORT": "70000" }), &[]),
        // The port that it listens on itself.
        (json!({ "SERVER": "api", "PORT": "9000" }), &[]),
        (json!({ "HOST": "web", "PORT": "9000" }), &[]),
    ] {
        assert_eq!(dialled(&spec(env.clone())), ports, "{env}");
    }
    let mut settled = spec(json!({ "API_HOST": "api", "API_PORT": "${settings.PORT}" }));
    let default = |text: &str| pluvio_model::spec::SettingSpec {
        default: Some(text.to_owned()),
        ..Default::default()
    };
    let name: EnvName = "PORT".parse().unwrap();
    settled.settings.insert(name, default("9000"));
    assert_eq!(dialled(&settled), [9000]);
    let mut beside = spec(json!({}));
    beside.components[0].sidecars = serde_json::from_value(json!({ "log": {
        "image": "localhost/log:1", "env": { "API_HOST": "api", "API_PORT": "9000" } } }))
    .unwrap();
    assert_eq!(dialled(&beside), [9000]);
}

#[test]
fn a_program_is_told_its_own_port_by_its_variables_or_its_command() {
    let told = |api: Value| -> Vec<u16> {
        let spec = shop(json!({ "image": "localhost/web:1" }), api);
        told_to_listen(&spec.components[1], &spec)
            .into_iter()
            .collect()
    };
    let api = |command: Value| {
        json!({ "image": "localhost/api:1", "routes": [], "imagePorts": true,
            "env": { "PORT": "9000", "DB_PORT": "5432" }, "command": command })
    };
    for (command, ports) in [
        (json!(["serve"]), &[9000][..]),
        (json!(["serve", "--port", "8000"]), &[8000, 9000]),
        (
            json!(["serve", "--port=8000", "--ports=1", "-p", "2"]),
            &[8000, 9000],
        ),
        (
            json!("exec serve --port 8000 --port-of-db 1"),
            &[8000, 9000],
        ),
        (json!(["serve", "--port", "$PORT"]), &[9000]),
        (json!(["serve", "--port"]), &[9000]),
    ] {
        assert_eq!(told(api(command.clone())), ports, "{command}");
    }
    let mut own = api(json!(["serve"]));
    own["imagePorts"] = false.into();
    assert_eq!(told(own), [0; 0], "it declares its ports itself");
}

#[test]
fn of_an_image_that_nobody_looked_at_no_port_is_missed() {
    let spec = shop(
        json!({ "image": "localhost/web:1", "uses": ["api"], "routes": [],
            "env": { "API": "api:9000" } }),
        json!({ "image": "localhost/api:1", "routes": [] }),
    );
    assert!(sample::decide(1, &spec, None).is_err());
    let mut facts = sample::facts(&spec);
    for image in facts.images.values_mut() {
        image.facts = pluvio_model::facts::ImageFacts {
            id: image.reference.to_string(),
            ..Default::default()
        };
    }
    let revision = sample::revision(1, &spec, pluvio_model::revision::Origin::Apply);
    crate::decide(&revision, None, &facts, &mut sample::volume_ids()).unwrap();
}

#[test]
fn what_ran_like_that_before_is_not_refused_for_something_else() {
    let spec = shop(
        json!({ "image": "localhost/web:1", "uses": ["api"], "routes": [{ "path": "/" }],
            "env": { "API": "api:8080" } }),
        json!({ "image": "localhost/api:1", "routes": [] }),
    );
    let mut before = sample::decide(1, &spec, None).unwrap();
    let api = before.components.get_mut("api").unwrap();
    api.content.ports.clear();
    let mut next = spec.clone();
    next.components[1].ports = [(
        "other".parse().unwrap(),
        PortSpec {
            port: 7000,
            protocol: PortProtocol::Tcp,
        },
    )]
    .into();
    assert!(sample::decide(2, &next, None).is_err());
    sample::decide(2, &next, Some(&before)).unwrap();
}
