//! Networks that applications share by a name, as compose files name external ones.

use std::time::Duration;

use pluvio_tests::engine::name_of;
use pluvio_tests::{Engine, Pluvio, both_engines, image::IMAGE, load, wait};
use serde_json::Value;

both_engines!(
    applications_on_an_external_network_find_each_other,
    a_component_on_networks_of_its_own_besides_is_let_in_and_no_other,
    what_comes_into_an_application_later_is_found_by_what_runs,
);

const SOON: Duration = Duration::from_secs(20);

fn service(app: &str, called: &str, greeting: &str, network: &str) -> String {
    format!(
        "name: {app}
services:
  {called}:
    image: {IMAGE}
    command: [/serve]
    environment: {{ GREETING: {greeting} }}
    ports: [\"8080\"]
    networks: {{ shared: {{ aliases: [{called}-too] }} }}
networks: {{ shared: {network} }}
"
    )
}

fn deploy(pluvio: &Pluvio, text: &str) -> Value {
    let file = pluvio.write("compose.yaml", text);
    let answer = pluvio.cli_within(&["deploy", &file, "--json"], Duration::from_secs(60));
    answer.ok()
}

fn of_application(engine: &Engine, app: &str) -> Vec<Value> {
    engine.labelled(&format!("io.pluvio.application-name={app}"))
}

/// The containers of an application by their ids.
fn containers(engine: &Engine, app: &str) -> Vec<String> {
    let all = of_application(engine, app).into_iter();
    let mut found: Vec<String> = all.map(|one| one["Id"].to_string()).collect();
    found.sort();
    found
}

/// Nobody makes the network before; who comes first waits for nobody, finds the other once it is there, and is not replaced for it.
fn applications_on_an_external_network_find_each_other(engine: Engine) {
    let pluvio = Pluvio::start(engine.clone());
    let (bank, shop, far) = (pluvio.name("their"), pluvio.name("our"), pluvio.name("far"));
    let external = "{ external: true, name: corporate }";
    deploy(&pluvio, &service(&shop, "web", "web", external));
    deploy(&pluvio, &service(&far, "web", "far", "{}"));
    let before = containers(&engine, &shop);
    assert!(!before.is_empty());
    let asks_bank = "/ask?bank:8080/";
    assert_eq!(pluvio.get(&shop, asks_bank).expect("an answer").status, 502);
    // The one that defines it by its name.
    let theirs = |greeting: &str| service(&bank, "bank", greeting, "{ name: corporate }");
    deploy(&pluvio, &theirs("bank"));
    for called in ["bank", "bank-too"] {
        pluvio.until_serves(&shop, &format!("/ask?{called}:8080/"), "bank\n", SOON);
    }
    // In the other direction the name is another's too; its own comes first.
    pluvio.until_serves(&bank, "/ask?web:8080/", "web\n", SOON);
    pluvio.until_serves(&far, "/ask?web:8080/", "far\n", SOON);
    assert_eq!(pluvio.get(&far, asks_bank).expect("an answer").status, 502);
    // Nor by the address, which is no secret.
    let hosts = std::fs::read_to_string(hosts_file(&engine, &shop)).expect("a file");
    let line = hosts.lines().find(|line| line.ends_with("\tbank"));
    let address = line.and_then(|line| line.split_whitespace().next());
    let address = address.unwrap_or_else(|| panic!("{hosts}"));
    let asks_it = format!("/ask?{address}:8080/");
    pluvio.until_serves(&shop, &asks_it, "bank\n", SOON);
    assert_eq!(pluvio.get(&far, &asks_it).expect("an answer").status, 502);
    // What compose would call it leads there as well.
    let third = pluvio.name("third");
    let network = format!("{{ external: true, name: {bank}_default }}");
    deploy(&pluvio, &service(&third, "teller", "teller", &network));
    pluvio.until_serves(&third, asks_bank, "bank\n", SOON);

    // A redeploy there loses nothing here.
    let host = format!("{shop}.localhost");
    let asked = load::closed(pluvio.gateway_port(), &host, asks_bank, 4);
    deploy(&pluvio, &theirs("richer"));
    pluvio.until_serves(&shop, asks_bank, "richer\n", SOON);
    let counted = asked.end();
    assert!(counted.failed == 0 && counted.served > 0, "{counted:?}");
    assert_eq!(containers(&engine, &shop), before);
    // What an engine writes anew with a start is written again.
    for container in of_application(&engine, &shop) {
        engine.kill(&name_of(&container));
    }
    pluvio.until_serves(&shop, asks_bank, "richer\n", SOON);
    // A node that begins anew takes nothing away meanwhile.
    pluvio.kill("node");
    let _node = pluvio.serve("node", &[]);
    pluvio.until_serves(&shop, asks_bank, "richer\n", SOON);
    // It goes, and comes back as another.
    pluvio.cli(&["delete", "-a", &bank, "--yes", "--json"]).ok();
    // Shortly after the node began it does not yet know that nobody else has the name.
    wait::until_true(
        "no name any more",
        Duration::from_secs(90),
        || matches!(pluvio.get(&shop, asks_bank), Ok(reply) if reply.status == 502),
    );
    deploy(&pluvio, &theirs("again"));
    pluvio.until_serves(&shop, asks_bank, "again\n", SOON);
    pluvio.end();
}

/// The commonest shape: `web` on the application's own network and the shared one, `db` on the first alone.
fn a_component_on_networks_of_its_own_besides_is_let_in_and_no_other(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let (bank, shop) = (pluvio.name("their"), pluvio.name("our"));
    let service = |called: &str, networks: &str| {
        format!(
            "  {called}:
    image: {IMAGE}
    command: [/serve]
    environment: {{ GREETING: {called} }}
    ports: [\"8080\"]
    networks: [{networks}]
"
        )
    };
    let one = |app: &str, services: &str, networks: &str| {
        deploy(
            &pluvio,
            &format!("name: {app}\nservices:\n{services}networks: {{ {networks} }}\n"),
        );
    };
    // Two that are shared: the way out of `web` is on one network at most.
    let both = "zoo: { name: corporate }, all: { name: everybody }, default: {}";
    let ours = service("web", "default, zoo, all") + &service("db", "default");
    one(&shop, &ours, both);
    one(
        &bank,
        &(service("bank", "zoo") + &service("clerk", "all")),
        "zoo: { external: true, name: corporate }, all: { external: true, name: everybody }",
    );
    for called in ["bank", "clerk"] {
        let asks = format!("/ask?{called}:8080/");
        pluvio.until_serves(&shop, &asks, &format!("{called}\n"), SOON);
    }
    // One may ask by way of another: `db` finds nobody there, and is not found from there.
    pluvio.until_serves(&shop, "/ask?db:8080/ask?web:8080/", "web\n", SOON);
    for (by, whom) in [
        ("db", "bank"),
        ("db", "clerk"),
        ("bank", "db"),
        ("clerk", "db"),
    ] {
        let path = format!("/ask?{by}:8080/ask?{whom}:8080/");
        let reply = pluvio.get(&shop, &path).expect("an answer");
        assert_ne!(reply.body, format!("{whom}\n"), "{by} reaches {whom}");
    }
    pluvio.end();
}

fn hosts_file(engine: &Engine, app: &str) -> String {
    let containers = containers(engine, app);
    let inspected = engine.inspect(containers[0].trim_matches('"'));
    inspected["HostsPath"].as_str().expect("a path").to_owned()
}

/// A component that is new, and one that is no more, with what ran before and after it as it is.
fn what_comes_into_an_application_later_is_found_by_what_runs(engine: Engine) {
    let pluvio = Pluvio::start(engine.clone());
    let name = pluvio.name("grows");
    let text = |more: &str| {
        format!(
            "apiVersion: pluvio/v1
name: {name}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
{more}"
        )
    };
    let api = format!(
        "  api:
    image: {IMAGE}
    command: [/serve]
    env: {{ GREETING: api }}
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    routes: []
"
    );
    pluvio.deploy(&text("")).ok();
    let before = containers(&engine, &name);
    let file = hosts_file(&engine, &name);
    pluvio.deploy(&text(&api)).ok();
    pluvio.until_serves(&name, "/ask?api:8080/", "api\n", SOON);
    let names = || {
        let hosts = std::fs::read_to_string(&file).expect("a file");
        hosts.lines().filter(|line| line.ends_with("\tapi")).count()
    };
    wait::until_true("its name", SOON, || names() == 1);
    pluvio.deploy(&text("")).ok();
    wait::until_true("no name any more", Duration::from_secs(90), || names() == 0);
    assert!(
        before
            .iter()
            .all(|one| containers(&engine, &name).contains(one))
    );
    pluvio.end();
}
