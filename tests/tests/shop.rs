//! `samples/shop`: a page, a worker, a report by the clock, PostgreSQL and Redis, deployed from source as one application.

use std::time::Duration;

use pluvio_tests::http::Connection;
use pluvio_tests::{Answer, Engine, Pluvio, app, both_engines, load, wait};
use serde_json::Value;

both_engines!(u3_a_shop_is_deployed_changed_under_load_rolled_back_and_deleted);

/// The first builds make their base images from the distribution's packages.
const COLD: Duration = Duration::from_secs(580);

fn order(pluvio: &Pluvio, name: &str, item: &str) -> u16 {
    let body = format!("item={item}");
    let request = format!(
        "POST /orders HTTP/1.1\r\nHost: {name}.localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection =
        Connection::open(pluvio.gateway_port(), Duration::from_secs(35)).expect("a connection");
    connection.send(&request).expect("an answer").status
}

fn until_packed(pluvio: &Pluvio, name: &str, many: usize) {
    wait::until_true("the worker packs", Duration::from_secs(30), || {
        let orders: Value = serde_json::from_str(&pluvio.body(name, "/orders")).expect("orders");
        let orders = orders.as_array().expect("a list");
        orders.len() == many && orders.iter().all(|order| order["packed"] == true)
    });
}

fn u3_a_shop_is_deployed_changed_under_load_rolled_back_and_deleted(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("shop");
    let folder = app::sample("shop", &pluvio.scratch().join(&name));
    let deploy = || -> Answer {
        let words = ["deploy", "--name", &name, "--json", "--timeout", "9m"];
        let mut command = pluvio.command(&words);
        command.current_dir(&folder);
        pluvio_tests::pluvio::finish(command, None, COLD)
    };
    let deployed = deploy().ok();
    assert_eq!(
        deployed["urls"][0],
        format!("http://{name}.localhost:{}", pluvio.gateway_port())
    );
    assert!(pluvio.body(&name, "/").contains("nothing yet"));

    assert_eq!(order(&pluvio, &name, "Umbrella"), 303);
    until_packed(&pluvio, &name, 1);
    let report = pluvio
        .cli(&["trigger", "report", "-a", &name, "--json"])
        .ok();
    assert!(
        report["exit"]["last_lines"][0]
            .as_str()
            .is_some_and(|line| line.contains("1 orders, 29.00 EUR")),
        "{report:#}"
    );

    // Another page, while people look and buy.
    let host = format!("{name}.localhost");
    let load = load::closed(pluvio.gateway_port(), &host, "/", 4);
    let page = folder.join("web.js");
    let text = std::fs::read_to_string(&page).expect("the page");
    std::fs::write(&page, text.replace("<h1>Shop</h1>", "<h1>Sale</h1>")).expect("the page");
    deploy().ok();
    assert!(pluvio.body(&name, "/").contains("<h1>Sale</h1>"));
    assert_eq!(order(&pluvio, &name, "Umbrella"), 303);
    pluvio.cli(&["rollback", "1", "-a", &name, "--json"]).ok();
    let counted = load.end();
    assert!(counted.served > 0);
    assert_eq!(counted.failed, 0, "{counted:#?}");
    assert!(pluvio.body(&name, "/").contains("<h1>Shop</h1>"));
    // What was ordered in between is there, and is packed by the old worker.
    until_packed(&pluvio, &name, 2);

    pluvio.cli(&["delete", "-a", &name, "--yes", "--json"]).ok();
    let left: Vec<String> = pluvio
        .made()
        .into_iter()
        .filter(|thing| thing.contains(&name))
        .collect();
    assert_eq!(left.len(), 2, "the volumes of db and cache: {left:?}");
    assert!(
        left.iter().all(|thing| thing.starts_with("volume ")),
        "{left:?}"
    );
    pluvio.end();
}
