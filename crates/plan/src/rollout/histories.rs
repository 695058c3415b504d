//! What must hold in every history: random changes, crashes, deaf gateways and killed nodes.

use pluvio_model::release::Strategy;
use proptest::prelude::{Just, ProptestConfig, any, prop, prop_oneof, proptest};
use proptest::strategy::Strategy as Generator;

use super::simulation::{Program, World};
use super::*;

#[derive(Debug, Clone)]
enum Event {
    Deploy(char),
    Scale(u32),
    Stop,
    Crash(usize),
    Flap(usize),
    Hang(usize),
    Requests(usize, u64),
    Deaf(bool),
    NodeRestart,
    /// Killed while it acts, and started again.
    NodeDies(u64),
    Pass(f64),
}

fn event(most: u32) -> impl Generator<Value = Event> {
    prop_oneof![
        2 => prop::sample::select(vec!['A', 'B', 'C']).prop_map(Event::Deploy),
        1 => (0..=most).prop_map(Event::Scale),
        1 => Just(Event::Stop),
        2 => (0..6usize).prop_map(Event::Crash),
        2 => (0..6usize).prop_map(Event::Flap),
        1 => (0..6usize).prop_map(Event::Hang),
        2 => (0..6usize, 0..3u64).prop_map(|(i, n)| Event::Requests(i, n)),
        1 => any::<bool>().prop_map(Event::Deaf),
        1 => Just(Event::NodeRestart),
        1 => any::<u64>().prop_map(Event::NodeDies),
        8 => (0.1..15.0).prop_map(Event::Pass),
    ]
}

fn happen(world: &mut World, event: &Event) {
    match event {
        Event::Deploy(letter) => world.deploy(*letter),
        Event::Scale(instances) => world.scale(*instances),
        Event::Stop => world.input.wish = ComponentWish::Stopped,
        Event::Crash(index) => world.crash(*index),
        Event::Flap(index) => {
            if let Some(instance) = world.input.instances.get_mut(*index)
                && instance.health == Health::Ready
            {
                instance.health = Health::NotReady;
            }
        }
        Event::Hang(index) => {
            if let Some(instance) = world.input.instances.get_mut(*index)
                && instance.state == SeenState::Running
            {
                instance.live_failed = true;
            }
        }
        Event::Requests(index, count) => {
            if let Some(instance) = world.input.instances.get_mut(*index)
                && instance.place != Place::Out
            {
                instance.in_flight = *count;
            }
        }
        Event::Deaf(deaf) => world.deaf = *deaf,
        Event::NodeRestart => world.restart_node(),
        Event::NodeDies(luck) => world.die_at_work(|index| (luck >> (index % 64)) & 1 != 0),
        Event::Pass(seconds) => world.pass(*seconds),
    }
}

/// What must hold of the actions of one step, whatever happened before.
fn promises(before: &World, step: &Step) {
    let (wanted, rollout) = (before.wanted() as usize, &before.input.rollout);
    let find = |name: &String| {
        before
            .input
            .instances
            .iter()
            .find(|i| i.name == *name)
            .unwrap()
    };
    let starts = step
        .actions
        .iter()
        .filter(|a| matches!(a, Action::Start { .. } | Action::StartAgain { .. }))
        .count();
    let most = match rollout.strategy {
        Strategy::Surge {
            surge,
            unavailable: 0,
        } => wanted + surge.max(1) as usize,
        Strategy::Surge { surge, .. } => wanted + surge as usize,
        Strategy::StopThenStart => 1,
        Strategy::Ordered => usize::MAX,
    };
    assert!(
        starts == 0 || before.running() + starts <= most,
        "too many run"
    );
    for action in &step.actions {
        if let Action::Start { name } | Action::StartAgain { name } = action {
            let (instance, instances) = (find(name), &before.input.instances);
            let rivals = instances.iter().filter(|other| match rollout.strategy {
                Strategy::Surge { .. } => false,
                Strategy::StopThenStart => true,
                Strategy::Ordered => other.slot == instance.slot,
            });
            assert!(rivals.count() <= 1, "started beside another");
        }
    }

    for action in &step.actions {
        match action {
            Action::SetEndpoints(EndpointsWish::Serving(names)) => {
                if rollout.strategy == Strategy::Ordered {
                    one_leaves_while_all_others_serve(before, names);
                }
                let Strategy::Surge { unavailable, .. } = rollout.strategy else {
                    continue;
                };
                let (stay, go): (Vec<_>, Vec<_>) = before
                    .serving()
                    .into_iter()
                    .partition(|i| names.contains(&i.name));
                let needed = wanted.saturating_sub(unavailable as usize);
                assert!(
                    go.is_empty() || stay.len() >= needed,
                    "ready instances leave too early"
                );
            }
            Action::Stop { name, .. } => {
                let instance = find(name);
                assert_eq!(
                    instance.place,
                    Place::Out,
                    "stopped while requests may come"
                );
                let drained = instance.in_flight == 0
                    || instance.draining_since.is_some_and(|since| {
                        before.now.duration_since(since).as_millis()
                            >= i128::from(rollout.drain.millis())
                    });
                assert!(drained, "stopped with requests in flight");
            }
            Action::Create { slot } => {
                assert_ne!(wanted, 0);
                if rollout.strategy == Strategy::Ordered {
                    let there = |slot| before.input.instances.iter().any(|i| i.slot == slot);
                    assert!((0..*slot).all(there), "made before its turn");
                }
            }
            _ => {}
        }
    }
}

fn one_leaves_while_all_others_serve(before: &World, names: &[String]) {
    let serving = before.serving();
    let gone: Vec<_> = serving
        .iter()
        .filter(|i| !names.contains(&i.name))
        .collect();
    assert!(gone.len() <= 1, "several leave at once");
    let Some(gone) = gone.first().filter(|gone| gone.slot < before.wanted()) else {
        return;
    };
    for slot in (0..before.wanted()).filter(|slot| *slot != gone.slot) {
        let serves = serving.iter().any(|i| i.slot == slot);
        assert!(serves, "one is replaced while another does not serve");
    }
}

fn live_through(mut world: World, events: &[(Event, u64)]) {
    for (event, luck) in events {
        happen(&mut world, event);
        let before = world.clone();
        // Some actions fail: the engine is busy, the node is killed half-way.
        let step = world.turn(|index| (luck >> (index % 64)) & 3 != 0);
        promises(&before, &step);
        if !matches!(world.input.rollout.strategy, Strategy::Surge { .. }) {
            assert!(
                world.beside_each_other() <= 1,
                "two run on an exclusive volume"
            );
        }
    }
    // Then all goes well, whatever was wanted last comes about.
    world.deaf = false;
    let wanted = match &world.input.wish {
        ComponentWish::Run { hash, instances } => (*instances as usize, Some(hash.clone())),
        _ => (0, None),
    };
    for letter in 'A'..='C' {
        world.programs.insert(letter, Program::Good);
    }
    // A stop that was ordered before the node was killed goes on without it, and may end what is wanted again.
    world.settle(3600.0);
    world.pass(2.0);
    assert!(
        world.settle(3600.0),
        "never settles:\n{}\n{:#?}",
        world.trace.join("\n"),
        world.input
    );
    assert_eq!(world.serving().len(), wanted.0);
    assert!(
        world
            .input
            .instances
            .iter()
            .all(|i| Some(&i.hash) == wanted.1.as_ref())
    );
    // And stays: nothing is left to do.
    world.pass(1.0);
    assert_eq!(world.turn(|_| true).actions, []);
}

fn program() -> impl Generator<Value = Program> {
    prop::sample::select(vec![
        Program::Good,
        Program::Good,
        Program::NeverReady,
        Program::Exits,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn d1_no_history_breaks_a_rolling_deploy(
        events in prop::collection::vec((event(4), any::<u64>()), 1..60),
        (surge, unavailable) in (0..3u32, 0..2u32),
        instances in 1..4u32,
        programs in (program(), program(), program()),
    ) {
        let mut world = World::new(Strategy::Surge { surge, unavailable }, instances);
        for (letter, program) in ('A'..='C').zip([programs.0, programs.1, programs.2]) {
            world.programs.insert(letter, program);
        }
        live_through(world, &events);
    }

    #[test]
    fn no_history_runs_two_on_an_exclusive_volume(
        events in prop::collection::vec((event(1), any::<u64>()), 1..60),
        programs in (program(), program(), program()),
        made_alone in any::<bool>(),
    ) {
        let mut world = World::new(Strategy::StopThenStart, 1);
        world.input.made_alone = made_alone;
        for (letter, program) in ('A'..='C').zip([programs.0, programs.1, programs.2]) {
            world.programs.insert(letter, program);
        }
        live_through(world, &events);
    }

    #[test]
    fn no_history_runs_two_instances_of_one_name(
        events in prop::collection::vec((event(4), any::<u64>()), 1..60),
        instances in 1..5u32,
        programs in (program(), program(), program()),
        made_alone in any::<bool>(),
    ) {
        let mut world = World::new(Strategy::Ordered, instances);
        world.input.made_alone = made_alone;
        for (letter, program) in ('A'..='C').zip([programs.0, programs.1, programs.2]) {
            world.programs.insert(letter, program);
        }
        live_through(world, &events);
    }
}
