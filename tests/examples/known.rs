//! Runs well-known applications one after another and says what became of each: `scripts/known-apps`.

use std::panic::AssertUnwindSafe;

use pluvio_tests::{Engine, known};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (engine, names) = words
        .split_first()
        .expect("usage: known docker|podman [NAME…]");
    let engine = match engine.as_str() {
        "docker" => Engine::docker(),
        "podman" => Engine::podman(),
        other => panic!("{other} is neither docker nor podman"),
    };
    for name in names {
        let there = known::ALL.iter().any(|known| known.name == name);
        assert!(there, "{name} is not in tests/known");
    }
    let (mut passed, mut failed) = (0, 0);
    for known in known::ALL {
        if !names.is_empty() && !names.iter().any(|name| name == known.name) {
            continue;
        }
        println!("▸ {} on {}", known.name, engine.name);
        match std::panic::catch_unwind(AssertUnwindSafe(|| known::run(&engine, known))) {
            Ok(row) => {
                passed += 1;
                println!(
                    "✓ {}: {} services, first deploy {:.0} s, redeploy {:.1} s with {} requests, the slowest {} ms",
                    known.name,
                    row.services,
                    row.first.as_secs_f64(),
                    row.redeploy.as_secs_f64(),
                    row.served,
                    row.slowest.as_millis()
                );
            }
            Err(_) => {
                failed += 1;
                println!("✗ {}", known.name);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    std::process::exit(i32::from(failed > 0));
}
