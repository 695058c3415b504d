use expect_test::{Expect, expect};
use jiff::SignedDuration;
use pluvio_model::id::Generation;
use pluvio_model::observed::{
    ExitRecord, InstanceState, ObservedInstance, ObservedRun, ObservedSidecar, ProbeAnswer,
    ProbeKind, RolloutStep, RunKind, RunState,
};
use serde_json::{Value, json};

use super::*;
use crate::sample;

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

/// A release at generation 5 whose operation began at second 0, and what is seen of it.
struct Case {
    release: Release,
    observed: Option<ObservedApplication>,
    tasks: BTreeMap<ContentHash, TaskOutcome>,
    last_lines: BTreeMap<String, Vec<String>>,
    power: Power,
    stopped: Vec<Name>,
    live: Option<u64>,
    operation: bool,
    cancel: bool,
    now: i64,
}

impl Case {
    fn new(components: Value) -> Case {
        Case {
            release: sample::release(components),
            observed: None,
            tasks: BTreeMap::new(),
            last_lines: BTreeMap::new(),
            power: Power::On,
            stopped: Vec::new(),
            live: None,
            operation: true,
            cancel: false,
            now: 10,
        }
    }

    fn web() -> Case {
        Case::new(json!({ "web": { "image": "localhost/shop:1", "instances": 2 } }))
    }

    fn seen(mut self, stage: &[&str], components: Vec<ObservedComponent>) -> Case {
        let settled = components.iter().all(|component| component.settled);
        let names = self.release.components.keys().cloned();
        self.observed = Some(ObservedApplication {
            generation: Generation(5),
            stage: stage.iter().map(|name| name.parse().unwrap()).collect(),
            components: names.zip(components).collect(),
            settled,
            ..ObservedApplication::default()
        });
        self
    }

    /// A component with these instances of the release's content.
    fn component(&self, name: &str, instances: Vec<ObservedInstance>) -> ObservedComponent {
        let decided = &self.release.components[name];
        let ready = instances
            .iter()
            .filter(|i| i.state == InstanceState::Ready)
            .count();
        ObservedComponent {
            wanted: decided.hash.clone(),
            wanted_instances: decided.instances,
            since: at(0),
            settled: ready == decided.instances as usize && ready == instances.len(),
            instances,
            step: RolloutStep::Start,
            scaling: None,
        }
    }

    fn instance(&self, name: &str, slot: u32, state: InstanceState) -> ObservedInstance {
        let ready = state == InstanceState::Ready;
        ObservedInstance {
            name: format!("shop--{name}--abc123-{slot}"),
            ordinal: None,
            hash: self.release.components[name].hash.clone(),
            release: 1,
            state,
            address: None,
            started_at: Some(at(1)),
            ready_at: ready.then(|| at(3)),
            restarts: 0,
            last_exit: None,
            probe: None,
            in_flight: 0,
            sidecars: Vec::new(),
        }
    }

    fn next(&self) -> Next {
        next_step(&Input {
            target: &self.release,
            generation: Generation(5),
            power: self.power,
            stopped: &self.stopped,
            live: self.live,
            observed: self.observed.as_ref(),
            since: self.operation.then(|| at(0)),
            cancel_requested: self.cancel,
            tasks: &self.tasks,
            last_lines: &self.last_lines,
            now: at(self.now),
        })
    }

    fn check(&self, want: Expect) {
        let shown = match self.next() {
            Next::ApplyStage {
                components,
                tasks,
                stopped,
                power,
            } => {
                let tasks: Vec<&Name> = tasks.iter().map(|task| &task.component).collect();
                let mut shown = match power {
                    Power::On => format!("apply {components:?}"),
                    Power::Off => "switch off".to_owned(),
                };
                if !tasks.is_empty() {
                    shown += &format!(" and run tasks of {tasks:?}");
                }
                if !stopped.is_empty() {
                    shown += &format!(" without {stopped:?}");
                }
                shown + "\n"
            }
            Next::Live => "live\n".to_owned(),
            Next::Cancelled => "cancelled\n".to_owned(),
            Next::Wait(wait) => {
                let line =
                    |step: &StepNote| format!("{:?} {:?} {}", step.name, step.state, step.note);
                let lines: Vec<String> = wait
                    .steps
                    .iter()
                    .map(|step| line(step).trim_end().to_owned())
                    .collect();
                format!("wait {}\n  {}\n", wait.again_in, lines.join("\n  "))
            }
            Next::Failed(problem) => {
                let mut out = format!(
                    "{}\n  {}\n  {}\n",
                    problem.code, problem.cause, problem.remedy
                );
                problem
                    .evidence
                    .iter()
                    .for_each(|line| out += &format!("  | {line}\n"));
                out
            }
        };
        want.assert_eq(&shown);
    }
}

use InstanceState::{BackOff, Draining, Ready, Starting};

fn probe(message: &str) -> Option<ProbeAnswer> {
    Some(ProbeAnswer {
        kind: ProbeKind::Ready,
        ok: false,
        message: message.to_owned(),
        at: at(9),
        in_a_row: 9,
    })
}

fn exit(code: i64, oom: bool) -> Option<ExitRecord> {
    Some(ExitRecord {
        code,
        oom,
        at: at(9),
        last_lines: vec!["Error: no database".to_owned(), "  at main".to_owned()],
        hook: None,
    })
}

#[test]
fn what_the_runtime_has_not_is_handed_over() {
    Case::web().check(expect![[r#"
        apply ["web"]
    "#]]);
    let case = Case::web();
    let web = case.component("web", vec![]);
    let mut case = case.seen(&["web"], vec![web]);
    case.observed.as_mut().unwrap().generation = Generation(4);
    case.check(expect![[r#"
        apply ["web"]
    "#]]);
    // A newer one is not gone back from.
    case.observed.as_mut().unwrap().generation = Generation(6);
    assert!(matches!(case.next(), Next::Wait(_)));
}

#[test]
fn an_operation_shows_how_far_it_is() {
    let case = Case::web();
    let mut old = case.instance("web", 7, Ready);
    old.hash = ContentHash::of(&"old");
    let one = case.instance("web", 0, Ready);
    let web = case.component(
        "web",
        vec![one.clone(), case.instance("web", 1, Starting), old.clone()],
    );
    case.seen(&["web"], vec![web]).check(expect![[r#"
        wait 1s
          Apply Done
          Start Running 1 of 2 instances ready
    "#]]);

    let case = Case::web();
    old.state = Draining;
    old.in_flight = 3;
    let mut web = case.component("web", vec![one, case.instance("web", 1, Ready), old]);
    web.settled = false;
    case.seen(&["web"], vec![web]).check(expect![[r#"
        wait 1s
          Apply Done
          Start Done 2 of 2 instances ready
          Shift Done
          Drain Running 1 old instance finishes its requests, 3 in flight
    "#]]);
}

#[test]
fn it_is_live_when_nothing_is_left_to_do() {
    let case = Case::web();
    let web = case.component(
        "web",
        vec![
            case.instance("web", 0, Ready),
            case.instance("web", 1, Ready),
        ],
    );
    let mut case = case.seen(&["web"], vec![web]);
    case.check(expect![[r#"
        live
    "#]]);
    // The runtime has the stage, but not yet turned to the component: what settles there is the old content.
    let seen = case.observed.as_mut().unwrap();
    seen.components
        .values_mut()
        .for_each(|web| web.wanted = ContentHash::of(&"old"));
    assert!(matches!(case.next(), Next::Wait(_)));
}

#[test]
fn components_follow_those_they_use() {
    let chain = json!({
        "web": { "image": "localhost/shop:1", "uses": ["api"] },
        "api": { "image": "localhost/api:1", "uses": ["db"] },
        "db": { "image": "localhost/db:1" },
    });
    let case = Case::new(chain.clone());
    case.check(expect![[r#"
        apply ["db"]
    "#]]);
    let of =
        |case: &Case, name: &str, state| case.component(name, vec![case.instance(name, 0, state)]);
    let none = |case: &Case, name: &str| {
        let mut none = case.component(name, vec![]);
        none.wanted = ContentHash::of(&"nothing");
        none
    };
    let seen = vec![
        none(&case, "web"),
        none(&case, "api"),
        of(&case, "db", Starting),
    ];
    case.seen(&["db"], seen).check(expect![[r#"
        wait 1s
          Apply Done
          Start Running 0 of 3 instances ready
    "#]]);
    let case = Case::new(chain.clone());
    let seen = vec![
        none(&case, "web"),
        none(&case, "api"),
        of(&case, "db", Ready),
    ];
    case.seen(&["db"], seen).check(expect![[r#"
        apply ["api", "db"]
    "#]]);
    let case = Case::new(chain);
    let seen = vec![
        none(&case, "web"),
        of(&case, "api", Ready),
        of(&case, "db", Ready),
    ];
    case.seen(&["db", "api"], seen).check(expect![[r#"
        apply ["web", "api", "db"]
    "#]]);
}

#[test]
fn a_release_task_runs_before_its_component_and_once() {
    let mut facts = sample::facts(&sample::shop(
        json!({ "web": { "image": "localhost/shop:1" } }),
    ));
    facts.runtime.runtime = pluvio_model::facts::RuntimeKind::Kubernetes;
    let spec = sample::shop(
        json!({ "web": { "image": "localhost/shop:1", "release": { "command": "migrate" } } }),
    );
    let revision = sample::revision(1, &spec, pluvio_model::revision::Origin::Deploy);
    let mut case = Case::web();
    case.release = crate::decide(&revision, None, &facts, &mut sample::volume_ids()).unwrap();
    let hash = case.release.components["web"]
        .content
        .release_task
        .clone()
        .unwrap()
        .hash;
    case.check(expect![[r#"
        apply [] and run tasks of ["web"]
    "#]]);
    case.tasks.insert(hash.clone(), TaskOutcome::Running);
    case.check(expect![[r#"
        apply [] and run tasks of ["web"]
    "#]]);
    case.tasks.insert(hash.clone(), TaskOutcome::Succeeded);
    case.check(expect![[r#"
        apply ["web"]
    "#]]);

    // A stage between did not name it, so its run was ended: that one is no reason to wait.
    case.tasks.clear();
    let mut seen = case.seen(&[], Vec::new());
    let web: Name = "web".parse().unwrap();
    let (key, kind) = ("release-web-r1", RunKind::Release);
    let mut run = ObservedRun::waiting(key, kind, 1, key.to_owned(), &web, hash.clone());
    let told = |seen: &mut Case, run: &ObservedRun| {
        seen.observed.as_mut().unwrap().runs = vec![run.clone()];
    };
    told(&mut seen, &run);
    assert!(matches!(seen.next(), Next::Wait(_)));
    run.state = RunState::Failed;
    run.problem = Some(pluvio_model::problem::CANCELLED.problem("It was ended.", "Nothing."));
    told(&mut seen, &run);
    seen.check(expect![[r#"
        apply [] and run tasks of ["web"]
    "#]]);

    let failed =
        pluvio_model::problem::RELEASE_TASK.problem("`migrate` ended with 1.", "Correct it.");
    let mut case = seen;
    case.tasks
        .insert(hash, TaskOutcome::Failed(Box::new(failed)));
    case.check(expect![[r#"
        release.task
          `migrate` ended with 1.
          Correct it.
    "#]]);
}

#[test]
fn the_deadline_counts_from_the_last_progress() {
    let stuck = |now: i64, message: &str| {
        let case = Case::web();
        let mut waiting = case.instance("web", 1, Starting);
        waiting.started_at = Some(at(60));
        waiting.probe = probe(message);
        let web = case.component("web", vec![case.instance("web", 0, Ready), waiting.clone()]);
        let mut case = case.seen(&["web"], vec![web]);
        case.last_lines
            .insert(waiting.name, vec!["listening on 3000".to_owned()]);
        case.now = now;
        case
    };
    let refused = "GET / on 8080: connection refused";
    assert!(matches!(stuck(179, refused).next(), Next::Wait(_)));
    stuck(180, refused).check(expect![[r#"
        release.port-closed
          The program of web runs, but nobody listened on port 8080 within 2m.
          Let it listen on 0.0.0.0 and that port (the variable PORT holds the first HTTP port; 127.0.0.1 is the container's own), or declare under `ports` the one it does listen on.
          | GET / on 8080: connection refused
          | listening on 3000
    "#]]);
    stuck(180, "GET / on 8080: 503 Service Unavailable").check(expect![[r#"
        release.not-ready
          1 of 2 instances of web were ready within 2m. The probe: GET / on 8080: 503 Service Unavailable.
          Correct what the probe's answer and the last lines show; if it only needs longer, raise `rollout.deadline`.
          | GET / on 8080: 503 Service Unavailable
          | listening on 3000
    "#]]);
}

#[test]
fn a_component_whose_turn_comes_late_has_its_whole_deadline() {
    let mut case = Case::new(json!({
        "web": { "image": "localhost/shop:1", "uses": ["db"] },
        "db": { "image": "localhost/db:1" },
    }));
    let mut db = case.instance("db", 0, Ready);
    db.ready_at = Some(at(110));
    let mut web = case.component("web", vec![]);
    web.wanted = ContentHash::of(&"old");
    let db = case.component("db", vec![db]);
    case = case.seen(&["web", "db"], vec![web, db]);
    case.now = 229;
    assert!(matches!(case.next(), Next::Wait(_)));
    case.now = 230;
    assert!(matches!(case.next(), Next::Failed(_)));
}

#[test]
fn what_no_waiting_heals_fails_at_once_and_the_rest_is_tried_again() {
    let case = |code: pluvio_model::problem::Code| {
        let case = Case::web();
        let web = case.component("web", vec![]);
        let mut case = case.seen(&["web"], vec![web]);
        let problem = code.problem("The port 5432 is in use.", "Choose another.");
        case.observed.as_mut().unwrap().problem = Some(problem);
        case
    };
    case(pluvio_model::problem::PORT_TAKEN).check(expect![[r#"
        port.taken
          The port 5432 is in use.
          Choose another.
    "#]]);
    let mut case = case(pluvio_model::problem::ENGINE_FAILED);
    case.check(expect![[r#"
        wait 1s
          Apply Done
          Start Running The port 5432 is in use; trying again
    "#]]);
    case.now = 120;
    case.check(expect![[r#"
        engine.failed
          The port 5432 is in use.
          Choose another.
    "#]]);
}

#[test]
fn what_is_tried_again_is_told_whole() {
    let hindrance = |case: &Case| match case.next() {
        Next::Wait(wait) => wait.hindrance.map(|problem| problem.code),
        other => panic!("{other:?}"),
    };
    let mut case = Case::web();
    let web = case.component("web", vec![case.instance("web", 0, Starting)]);
    case = case.seen(&["web"], vec![web]);
    assert_eq!(hindrance(&case), None);
    // A program that ended is started again.
    let mut ended = case.instance("web", 0, Starting);
    ended.last_exit = Some(ExitRecord {
        code: 3,
        oom: false,
        at: at(100),
        last_lines: vec!["no such table".to_owned()],
        hook: None,
    });
    let web = case.component("web", vec![ended]);
    case = case.seen(&["web"], vec![web]);
    assert_eq!(hindrance(&case).as_deref(), Some("release.exited"));
    // The runtime's own word goes first.
    let full = pluvio_model::problem::CLUSTER_QUOTA.problem("It is full.", "Free something.");
    case.observed.as_mut().unwrap().problem = Some(full);
    assert_eq!(hindrance(&case).as_deref(), Some("cluster.quota"));
    // Nobody waits: nothing is told.
    case.operation = false;
    assert_eq!(hindrance(&case), None);
}

#[test]
fn cancelling_gives_up_what_is_not_live() {
    let case = Case::web();
    let web = case.component("web", vec![case.instance("web", 0, Starting)]);
    let mut case = case.seen(&["web"], vec![web]);
    case.cancel = true;
    assert_eq!(case.next(), Next::Cancelled);
    case.live = Some(1);
    assert!(matches!(case.next(), Next::Wait(_)));
}

#[test]
fn stopped_means_no_instances() {
    let case = Case::web();
    let mut leaving = case.component("web", vec![case.instance("web", 0, Draining)]);
    leaving.settled = false;
    let mut case = case.seen(&["web"], vec![leaving]);
    case.power = Power::Off;
    case.observed.as_mut().unwrap().stopped = vec!["web".parse().unwrap()];
    case.now = 1000;
    case.check(expect![[r#"
        wait 1s
          Apply Done
          Shift Done
          Drain Running 1 old instance finishes its requests
    "#]]);
    let mut gone = case.component("web", vec![]);
    gone.settled = true;
    let mut case = case.seen(&["web"], vec![gone]);
    case.power = Power::Off;
    case.observed.as_mut().unwrap().stopped = vec!["web".parse().unwrap()];
    case.check(expect![[r#"
        live
    "#]]);
}

#[test]
fn a_sidecar_that_ends_again_and_again_fails_the_release() {
    let web = json!({ "web": {
        "image": "localhost/shop:1",
        "sidecars": { "log": { "image": "localhost/log:1" } },
    } });
    let case = |restarts: u32, now: i64| {
        let mut case = Case::new(web.clone());
        let mut instance = case.instance("web", 0, InstanceState::Starting);
        instance.sidecars = vec![ObservedSidecar {
            name: "log".parse().unwrap(),
            state: InstanceState::BackOff { until: at(20) },
            started_at: Some(at(2)),
            restarts,
            last_exit: Some(ExitRecord {
                code: 4,
                oom: false,
                at: at(3),
                last_lines: vec!["no place to write to".to_owned()],
                hook: None,
            }),
            probe: None,
        }];
        case.now = now;
        let component = case.component("web", vec![instance]);
        case.seen(&["web"], vec![component])
    };
    assert!(matches!(case(1, 10).next(), Next::Wait(_)));
    case(2, 10).check(expect![[r#"
        release.exited
          The sidecar log of web ended 3 times before the instance was ready, with exit code 4.
          Its last lines say why; a sidecar runs as long as its instance. What ends by itself is an `init` step.
          | no place to write to
    "#]]);
    case(1, 200).check(expect![[r#"
        release.exited
          The sidecar log of web ended 2 times before the instance was ready, with exit code 4.
          Its last lines say why; a sidecar runs as long as its instance. What ends by itself is an `init` step.
          | no place to write to
    "#]]);
}

mod ends;
mod order;
