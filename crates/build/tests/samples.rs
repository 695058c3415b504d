//! The repository's samples, from source to an HTTP answer, on Docker. The scenarios build them once more through the whole product,
//! on Podman too. Times are printed, not asserted; what they are compared with is in `benches/`.

#[allow(dead_code, reason = "each file of tests uses its part")]
mod site;

use pluvio_build::Recipe;
use site::{Site, sample};

macro_rules! on_docker {
    ($($scenario:ident)*) => {
        mod docker { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $scenario() { super::$scenario("docker").await })* }
    };
}

on_docker! { node python go static_site dockerfile }

/// One line of a sample changed: what stands there, and what then.
struct Change {
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

async fn check(engine: &str, name: &'static str, change: Change) {
    let site = Site::new(engine, &format!("sample-{name}")).await;
    site.copy(&sample(name));
    let recipe = || Recipe::Detect(Box::default());
    let first = site.build("first", recipe()).await.unwrap();
    let port = *first.facts.exposed.first().expect("it says its port");
    assert!(!site.ask(&first, port, "/").await.is_empty(), "no answer");
    let components = first.sbom["components"].as_array().unwrap();
    assert!(components.len() > 10, "{}", first.sbom);

    let again = site.build("unchanged", recipe()).await.unwrap();
    assert!(again.unchanged && again.steps.is_empty());
    assert_eq!(again.facts.id, first.facts.id);

    for round in 1..=2 {
        let path = site.folder.path().join(change.file);
        let text = std::fs::read_to_string(&path).unwrap();
        let from = if round == 1 { change.from } else { change.to };
        assert!(text.contains(from), "{} holds {from:?}", change.file);
        let to = if round == 1 { change.to } else { change.from };
        std::fs::write(
            &path,
            text.replacen(
                from,
                &format!("{to}{}", if round == 2 { " " } else { "" }),
                1,
            ),
        )
        .unwrap();
        let changed = site.build("one line changed", recipe()).await.unwrap();
        if round == 1 {
            assert!(site.ask(&changed, port, "/").await.contains(change.to));
        }
    }
    assert_eq!(site.left().await, [""; 0]);
    site.forget().await;
}

async fn node(engine: &str) {
    let change = Change {
        file: "views/index.html",
        from: "<h1>",
        to: "<h1>Changed ",
    };
    check(engine, "node", change).await;
}

async fn python(engine: &str) {
    let change = Change {
        file: "templates/index.html",
        from: "<h1>",
        to: "<h1>Changed ",
    };
    check(engine, "python", change).await;
}

async fn go(engine: &str) {
    let change = Change {
        file: "page.html",
        from: "<h1>",
        to: "<h1>Changed ",
    };
    check(engine, "go", change).await;
}

async fn static_site(engine: &str) {
    let change = Change {
        file: "index.html",
        from: "<h1>",
        to: "<h1>Changed ",
    };
    check(engine, "static", change).await;
}

async fn dockerfile(engine: &str) {
    let change = Change {
        file: "server.py",
        from: "<h1>",
        to: "<h1>Changed ",
    };
    check(engine, "dockerfile", change).await;
}
