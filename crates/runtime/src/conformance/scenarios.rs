//! The scenarios. Each leaves nothing behind.

use std::time::Duration;

use pluvio_model::id::Generation;
use pluvio_model::observed::{InstanceState, ObservedApplication, ObservedInstance};
use pluvio_model::stage::Power;

use super::{Example, Subject};
use crate::memory::Moment;
use crate::{RuntimeError, Scope};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// More steps than any scenario has.
const MOST_STEPS: u64 = 40;

/// Plays every scenario.
pub async fn run(subject: &mut dyn Subject) {
    applying_again_changes_nothing(subject).await;
    an_older_generation_is_refused(subject).await;
    instances_follow_scale_and_power(subject).await;
    hot_files_reach_running_instances(subject).await;
    drift_heals_and_strangers_are_left_alone(subject).await;
    a_kill_at_any_step_is_survived(subject).await;
}

fn example(subject: &dyn Subject) -> Example {
    let (name, facts) = subject.image();
    Example {
        instances: 2,
        ..Example::new(subject.cluster(), (name, facts.id))
    }
}

async fn apply(subject: &dyn Subject, stage: &pluvio_model::stage::Stage) {
    let applied = subject.runtime().apply(stage).await;
    assert!(applied.is_ok(), "the stage is taken: {applied:?}");
}

async fn seen(subject: &dyn Subject, example: &Example) -> ObservedApplication {
    let scope = Scope::Application(example.application);
    let mut all = subject
        .runtime()
        .observe(scope)
        .await
        .expect("it can be looked at");
    all.applications
        .remove(&example.application)
        .unwrap_or_default()
}

/// Waits until what runs is what the last stage wants and `holds`.
async fn until(
    subject: &dyn Subject,
    example: &Example,
    what: &str,
    holds: impl Fn(&ObservedApplication) -> bool,
) -> ObservedApplication {
    let mut changes = subject.runtime().changes();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        changes.borrow_and_update();
        let seen = seen(subject, example).await;
        if seen.settled && seen.generation == Generation(example.generation) && holds(&seen) {
            return seen;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "never {what}: {seen:#?}"
        );
        let _ = tokio::time::timeout(Duration::from_millis(200), changes.changed()).await;
    }
}

async fn settled(subject: &dyn Subject, example: &Example) -> Vec<ObservedInstance> {
    let seen = until(subject, example, "settled", |_| true).await;
    let instances: Vec<_> = seen
        .components
        .into_values()
        .flat_map(|component| component.instances)
        .collect();
    let ready = instances
        .iter()
        .all(|instance| instance.state == InstanceState::Ready);
    assert!(ready, "{instances:#?}");
    instances
}

async fn end(subject: &mut dyn Subject, example: &mut Example) {
    apply(subject, &example.gone()).await;
    until(subject, example, "gone", |_| true).await;
    let left = subject.objects(example.application).await;
    assert!(left.is_empty(), "left behind: {left:?}");
    let volumes = subject.volumes(example.application).await;
    assert_eq!(volumes.len(), 1, "data is kept: {volumes:?}");
}

fn starts(instances: &[ObservedInstance]) -> Vec<(String, Option<jiff::Timestamp>)> {
    instances
        .iter()
        .map(|one| (one.name.clone(), one.started_at))
        .collect()
}

pub async fn applying_again_changes_nothing(subject: &mut dyn Subject) {
    let mut example = example(subject);
    let stage = example.stage();
    apply(subject, &stage).await;
    let before = settled(subject, &example).await;
    assert_eq!(before.len(), 2);
    apply(subject, &stage).await;
    // The same content in a later generation: nothing is replaced either.
    apply(subject, &example.stage()).await;
    assert_eq!(starts(&settled(subject, &example).await), starts(&before));
    subject.restart().await;
    assert_eq!(starts(&settled(subject, &example).await), starts(&before));
    end(subject, &mut example).await;
}

pub async fn an_older_generation_is_refused(subject: &mut dyn Subject) {
    let mut example = example(subject);
    let older = example.stage();
    example.version = "two".to_owned();
    apply(subject, &example.stage()).await;
    let check = async |subject: &dyn Subject, held: u64| match subject.runtime().apply(&older).await
    {
        Err(RuntimeError::Stale {
            held: known,
            offered,
        }) => {
            assert_eq!((known, offered), (Generation(held), older.generation));
        }
        other => panic!("an older generation is taken: {other:?}"),
    };
    check(subject, 2).await;
    subject.restart().await;
    check(subject, 2).await;
    settled(subject, &example).await;
    // What is gone stays gone: its end is a generation like any other.
    end(subject, &mut example).await;
    check(subject, 3).await;
    subject.restart().await;
    check(subject, 3).await;
    assert!(subject.objects(example.application).await.is_empty());
}

pub async fn instances_follow_scale_and_power(subject: &mut dyn Subject) {
    let mut example = example(subject);
    for (instances, power) in [
        (1, Power::On),
        (3, Power::On),
        (2, Power::On),
        (2, Power::Off),
        (2, Power::On),
    ] {
        (example.instances, example.power) = (instances, power);
        apply(subject, &example.stage()).await;
        let count = settled(subject, &example).await.len();
        let wanted = if power == Power::On {
            instances as usize
        } else {
            0
        };
        assert_eq!(count, wanted);
    }
    end(subject, &mut example).await;
}

pub async fn hot_files_reach_running_instances(subject: &mut dyn Subject) {
    if !subject.has_files() {
        return;
    }
    let mut example = example(subject);
    apply(subject, &example.stage()).await;
    let before = settled(subject, &example).await;
    let began = tokio::time::Instant::now();
    example.hot = "second".to_owned();
    apply(subject, &example.stage()).await;
    for instance in &before {
        let path = "/tmp/example/hot.conf";
        while subject
            .file(example.application, &instance.name, path)
            .await
            .as_deref()
            != Some("second")
        {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "{}",
                instance.name
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(starts(&settled(subject, &example).await), starts(&before));
    end(subject, &mut example).await;
}

pub async fn drift_heals_and_strangers_are_left_alone(subject: &mut dyn Subject) {
    let stranger = subject.add_stranger().await;
    let mut example = example(subject);
    apply(subject, &example.stage()).await;
    let before = settled(subject, &example).await;
    subject
        .remove_by_hand(example.application, &before[0].name)
        .await;
    let removed = (before[0].name.clone(), before[0].started_at);
    let again = |seen: &ObservedApplication| {
        let mut instances = seen.components.values().flat_map(|c| &c.instances);
        instances.all(|one| (one.name.clone(), one.started_at) != removed)
    };
    until(subject, &example, "healed after a removal", again).await;
    assert_eq!(settled(subject, &example).await.len(), 2);
    subject
        .end_by_hand(example.application, &before[1].name)
        .await;
    let ended = (before[1].name.clone(), before[1].started_at);
    let again = |seen: &ObservedApplication| {
        let mut instances = seen.components.values().flat_map(|c| &c.instances);
        instances.all(|one| (one.name.clone(), one.started_at) != ended)
    };
    until(subject, &example, "healed after an end", again).await;
    assert_eq!(settled(subject, &example).await.len(), 2);
    end(subject, &mut example).await;
    assert!(
        subject.is_well(&stranger).await,
        "what was not made by it was touched"
    );
}

/// D5 on a runtime: killed before and after each thing it does to the world, through a deploy, another one, and the end.
pub async fn a_kill_at_any_step_is_survived(subject: &mut dyn Subject) {
    let stride = subject.stride();
    // With a stride, the two moments try different steps.
    for (moment, first) in [(Moment::Before, 1), (Moment::After, 1 + stride / 2)] {
        let mut step = first;
        // Until a whole life passes without reaching the step.
        while life_with_a_kill(subject, step, moment).await {
            step += stride;
            assert!(step < MOST_STEPS, "it never settles");
        }
    }
}

/// True if the kill came about.
async fn life_with_a_kill(subject: &mut dyn Subject, step: u64, moment: Moment) -> bool {
    if !subject.hold_at(step, moment) {
        return false;
    }
    let mut example = example(subject);
    let mut killed = false;
    for version in ["one", "two"] {
        example.version = version.to_owned();
        apply(subject, &example.stage()).await;
        killed |= settle_or_kill(subject, &example, killed).await;
        assert_eq!(
            settled(subject, &example).await.len(),
            2,
            "step {step} {moment:?}"
        );
    }
    apply(subject, &example.gone()).await;
    killed |= settle_or_kill(subject, &example, killed).await;
    until(subject, &example, "gone", |_| true).await;
    let left = subject.objects(example.application).await;
    assert!(
        left.is_empty(),
        "step {step} {moment:?} leaves {left:?} behind"
    );
    subject.let_go();
    killed
}

/// Waits for either; kills and restarts when it is held. True if it was.
async fn settle_or_kill(subject: &mut dyn Subject, example: &Example, killed: bool) -> bool {
    if killed {
        return false;
    }
    let held = {
        let subject = &*subject;
        tokio::select! {
            () = subject.held() => true,
            _ = until(subject, example, "settled or killed", |_| true) => false,
        }
    };
    if held {
        subject.let_go();
        subject.restart().await;
    }
    held
}
