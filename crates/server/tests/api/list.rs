//! How long a list takes with a thousand applications. `cargo test -p pluvio-server --test api list -- --ignored --nocapture`
//! prints it; `benches/` is where it counts, on a build that is fit to be measured.

use std::time::{Duration, Instant};

use http::Method;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::scene::{HOME, Scene, deploy};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn a_page_of_a_thousand_applications() {
    let scene = Scene::new().await;
    let memory = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    };
    let before = memory();
    for number in 0..1000 {
        let made = deploy(&scene.store, &scene.control, &format!("app-{number:04}")).await;
        scene.observe(made.application);
    }
    for path in [
        "/applications?limit=50",
        "/applications?limit=200",
        "/overview",
    ] {
        let mut times: Vec<Duration> = Vec::new();
        for round in 0..200 {
            if round % 20 == 0 {
                // As often as a second passes between looks at the node.
                tokio::time::sleep(Duration::from_millis(1001)).await;
            }
            let start = Instant::now();
            let request = Scene::request(Method::GET, &format!("{HOME}{path}"), &scene.owner, None);
            let answer = scene.router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            answer.into_body().collect().await.unwrap();
            times.push(start.elapsed());
        }
        times.sort();
        println!(
            "{path}: median {:?}, p99 {:?}, largest {:?}",
            times[100], times[197], times[199]
        );
    }
    println!("memory: {} MiB more than before", (memory() - before) >> 20);
}
