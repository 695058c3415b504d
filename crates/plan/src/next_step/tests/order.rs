//! Stopping and starting in the order in which components use each other, and of some of them.

use super::*;

/// `web` uses `api`, which uses `db`.
fn chain() -> Case {
    Case::new(json!({
        "db": { "image": "localhost/db:1", "routes": [] },
        "api": { "image": "localhost/api:1", "routes": [], "uses": ["db"] },
        "web": { "image": "localhost/web:1", "uses": ["api"] },
    }))
}

impl Case {
    /// These run (or do not), and the stage keeps these without instances.
    fn runs(mut self, up: &[&str], stopped: &[&str]) -> Case {
        let names: Vec<Name> = self.release.components.keys().cloned().collect();
        let components = names
            .iter()
            .map(|name| {
                let text = name.as_str();
                let on = up.contains(&text);
                let instances = on.then(|| self.instance(text, 0, Ready));
                let mut seen = self.component(text, instances.into_iter().collect());
                seen.settled = true;
                seen.wanted_instances = u32::from(on);
                seen
            })
            .collect();
        let stage: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        self = self.seen(&stage, components);
        let observed = self.observed.as_mut().unwrap();
        observed.stopped = stopped.iter().map(|name| name.parse().unwrap()).collect();
        self
    }

    fn progress(&self) -> String {
        let Next::Wait(wait) = self.next() else {
            panic!("{:?}", self.next());
        };
        let line = |c: &ComponentProgress| format!("{} {:?} {}", c.component, c.state, c.note);
        let lines: Vec<String> = wait.components.iter().map(line).collect();
        lines.join("\n") + "\n"
    }
}

#[test]
fn what_others_use_stops_after_them() {
    let off = |up: &[&str], stopped: &[&str]| {
        let mut case = chain().runs(up, stopped);
        case.power = Power::Off;
        case.live = Some(1);
        case
    };
    off(&["db", "api", "web"], &[]).check(expect![[r#"
        apply ["web"] without ["web"]
    "#]]);
    // Told, and still at it.
    let waiting = off(&["db", "api", "web"], &["web"]);
    assert_eq!(
        waiting.progress(),
        "db Waiting stops after api\napi Waiting stops after web\nweb Running stopping, 1 left\n"
    );
    off(&["db", "api"], &["web"]).check(expect![[r#"
        apply ["api", "web"] without ["api", "web"]
    "#]]);
    off(&["db"], &["api", "web"]).check(expect![[r#"
        switch off
    "#]]);
    off(&[], &["db", "api", "web"]).check(expect![[r#"
        live
    "#]]);
}

#[test]
fn what_was_stopped_starts_in_its_turn() {
    let on = |up: &[&str], stopped: &[&str]| {
        let mut case = chain().runs(up, stopped);
        case.live = Some(1);
        case
    };
    // The stages of before say that all run: those whose turn it is not are kept as they are.
    let mut first = on(&[], &["db", "api", "web"]);
    first.observed.as_mut().unwrap().generation = Generation(4);
    first.check(expect![[r#"
        apply ["db"] without ["api", "web"]
    "#]]);
    on(&["db"], &["api", "web"]).check(expect![[r#"
        apply ["db", "api"] without ["web"]
    "#]]);
    on(&["db", "api"], &["web"]).check(expect![[r#"
        apply ["db", "api", "web"]
    "#]]);
    on(&["db", "api", "web"], &[]).check(expect![[r#"
        live
    "#]]);
}

#[test]
fn one_component_is_stopped_while_the_others_run() {
    let mut case = chain().runs(&["db", "api", "web"], &[]);
    case.live = Some(1);
    case.stopped = vec!["api".parse().unwrap()];
    case.check(expect![[r#"
        apply ["db", "api", "web"] without ["api"]
    "#]]);
    let mut stopped = chain().runs(&["db", "web"], &["api"]);
    stopped.stopped = case.stopped.clone();
    stopped.check(expect![[r#"
        live
    "#]]);
    // Past every deadline it is not missed.
    let mut late = chain().runs(&["db"], &["api"]);
    late.stopped = case.stopped;
    late.now = 10_000;
    let web = late.observed.as_mut().unwrap().components.get_mut("web");
    web.unwrap().settled = false;
    let Next::Failed(problem) = late.next() else {
        panic!("{:?}", late.next());
    };
    assert!(problem.cause.contains("web"), "{problem}");
}

#[test]
fn a_job_that_runs_once_in_an_applications_life_is_named_alike_whatever_it_becomes() {
    let job = |image: &str, once: bool| {
        json!({
            "web": { "image": "localhost/shop:1" },
            "seed": { "kind": "job", "image": image, "once": once, "uses": ["web"] },
        })
    };
    let [first, later] =
        ["localhost/shop:1", "localhost/jobs:1"].map(|image| Case::new(job(image, true)));
    let (a, b) = (
        &first.release.components["seed"],
        &later.release.components["seed"],
    );
    assert_ne!(a.hash, b.hash);
    assert_eq!(a.task(), b.task());
    // Of another name it is another run; without the key each content is.
    let plain = Case::new(job("localhost/shop:1", false));
    let plain = &plain.release.components["seed"];
    assert_eq!(plain.task(), Some(&plain.hash));
    assert_eq!(plain.hash, a.hash);
    let hash = a.task().unwrap().clone();
    // It waits for what it uses, runs, and never again.
    let case = later;
    case.check(expect![[r#"
        apply ["web"]
    "#]]);
    let up = case.component("web", vec![case.instance("web", 0, InstanceState::Ready)]);
    let mut case = case.seen(&["web"], vec![up]);
    case.check(expect![[r#"
        apply ["web"] and run tasks of ["seed"]
    "#]]);
    case.tasks.insert(hash, TaskOutcome::Succeeded);
    case.check(expect![[r#"
        apply ["web", "seed"]
    "#]]);
}
