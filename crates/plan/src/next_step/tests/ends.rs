//! Programs that end before they were ready.

use super::*;

#[test]
fn three_ends_before_it_was_ready_are_enough() {
    let case = Case::web();
    let mut crashing = case.instance("web", 0, BackOff { until: at(12) });
    crashing.last_exit = exit(1, false);
    crashing.restarts = 1;
    let web = case.component("web", vec![crashing.clone()]);
    case.seen(&["web"], vec![web]).check(expect![[r#"
        wait 1s
          Apply Done
          Start Running 0 of 2 instances ready, 1 ended and will be started again
    "#]]);

    crashing.restarts = 2;
    let case = Case::web();
    let web = case.component("web", vec![crashing.clone()]);
    case.seen(&["web"], vec![web]).check(expect![[r#"
        release.exited
          The program of web ended 3 times before it was ready, with exit code 1.
          Its last lines say why. Correct it, then deploy again.
          | Error: no database
          |   at main
    "#]]);

    let mut case = Case::new(
        json!({ "web": { "image": "localhost/shop:1", "resources": { "memory": { "limit": "64Mi" } } } }),
    );
    crashing.hash = case.release.components["web"].hash.clone();
    crashing.last_exit = exit(137, true);
    let web = case.component("web", vec![crashing]);
    case = case.seen(&["web"], vec![web]);
    case.check(expect![[r#"
        release.exited
          The program of web ended 3 times before it was ready, killed for memory: it wanted more than its 64Mi.
          Raise `resources.memory.limit`, or find out what takes the memory.
          | Error: no database
          |   at main
    "#]]);
    // Nobody waits for it: it is kept going all the same.
    case.operation = false;
    assert!(matches!(case.next(), Next::Wait(_)));
}

#[test]
fn what_others_described_is_started_again_for_a_while_as_compose_would() {
    let ended = |code: i64, oom: bool, now: i64| {
        let mut case = Case::web();
        let web = case.release.components.values_mut().next().unwrap();
        web.rollout.retry = Span::seconds(90);
        let mut fallen = case.instance("web", 0, BackOff { until: at(now + 5) });
        (fallen.restarts, fallen.last_exit) = (5, exit(code, oom));
        let web = case.component("web", vec![fallen]);
        let mut case = case.seen(&["web"], vec![web]);
        case.now = now;
        case.next()
    };
    assert!(matches!(ended(1, false, 89), Next::Wait(_)));
    assert!(matches!(ended(1, false, 90), Next::Failed(_)));
    // No waiting brings a program into an image, or memory.
    assert!(matches!(ended(127, false, 5), Next::Failed(_)));
    assert!(matches!(ended(137, true, 5), Next::Failed(_)));
}

#[test]
fn what_ended_before_it_was_asked_for_is_tried_again() {
    let ended = |when: i64| {
        let case = Case::web();
        let mut fallen = case.instance("web", 0, BackOff { until: at(20) });
        fallen.restarts = 5;
        fallen.last_exit = exit(1, false).map(|exit| ExitRecord {
            at: at(when),
            ..exit
        });
        let web = case.component("web", vec![fallen]);
        let mut case = case.seen(&["web"], vec![web]);
        case.now = 12;
        case.next()
    };
    // It is asked for at 0.
    assert!(matches!(ended(-5), Next::Wait(_)));
    assert!(matches!(ended(9), Next::Failed(_)));
}

#[test]
fn a_hook_that_fails_is_told_of_rather_than_the_signal_that_followed() {
    let mut case = Case::web();
    let web = case.release.components.values_mut().next().unwrap();
    // Nobody starts again for longer what others described.
    web.rollout.retry = Span::seconds(90);
    let mut stopped = case.instance("web", 0, BackOff { until: at(12) });
    stopped.restarts = 2;
    stopped.last_exit = exit(143, false).map(|exit| ExitRecord {
        hook: Some("the hook `./warm-up` after its start ended with exit code 3".to_owned()),
        last_lines: vec!["no cache to warm".to_owned()],
        ..exit
    });
    let web = case.component("web", vec![stopped]);
    case.seen(&["web"], vec![web]).check(expect![[r#"
        release.exited
          web was stopped 3 times before it was ready: the hook `./warm-up` after its start ended with exit code 3.
          Its last lines say why. Correct it under `hooks`, then deploy again.
          | no cache to warm
    "#]]);
}
