//! The topology of a team across its environments, by a real browser on a real server. The story is `realTeam` of
//! `console/tests/topology.mjs`.

use std::path::Path;

use pluvio_tests::image::IMAGE;
use pluvio_tests::{Engine, Pluvio};

#[test]
fn rb58_a_teams_environments_are_drawn_with_what_passes_between_them() {
    let pluvio = Pluvio::start(Engine::docker());
    pluvio
        .cli(&["environment", "create", "staging", "--json"])
        .ok();
    let deploy = |environment: &str, yaml: &str| {
        let file = pluvio.write("app.yaml", yaml);
        pluvio
            .cli(&["deploy", &file, "-e", environment, "--json"])
            .ok()
    };
    let service = format!("image: {IMAGE}, command: [/serve], ports: {{ http: {{ port: 8080 }} }}");
    deploy(
        "staging",
        &format!(
            "name: far\ncomponents:\n  web: {{ {service}, routes: [{{ host: far.example.test }}] }}\n"
        ),
    );
    // The other stands for it by a component outside, which is how one application is told to use another.
    let outside = "{ kind: external, external: { addresses: [\"far.example.test:80\"] }, ports: { web: { port: 80, protocol: tcp } } }";
    deploy(
        "production",
        &format!("name: near\ncomponents:\n  web: {{ {service} }}\n  other: {outside}\n"),
    );
    pluvio.story(
        "real: the topology of a team",
        &[("PLUVIO_TEST_TEAM", Path::new("yes"))],
    );
}
