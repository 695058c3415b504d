use expect_test::{Expect, expect};
use pluvio_model::release::Strategy;
use proptest::prelude::{Just, ProptestConfig, any, prop, prop_oneof, proptest};
use proptest::strategy::Strategy as Generator;

use super::simulation::{Program, World, at, content};
use super::*;

const SURGE: Strategy = Strategy::Surge {
    surge: 1,
    unavailable: 0,
};

/// A component that runs `A`, settled.
fn running(strategy: Strategy, instances: u32) -> World {
    let mut world = World::new(strategy, instances);
    assert!(world.settle(60.0), "{:#?}", world.trace);
    world.trace.clear();
    world.now = at(0.0);
    world
}

fn check(world: &World, want: Expect) {
    want.assert_eq(&format!("{}\n", world.trace.join("\n")));
}

#[test]
fn a_deploy_starts_the_new_before_the_old_leave() {
    let mut world = running(SURGE, 2);
    world.deploy('B');
    assert!(world.settle(60.0));
    check(
        &world,
        expect![[r#"
            0     create b2
            0.5   start b2
            2.5   endpoints [a0 a1 b2]
            3     endpoints [a0 b2]
            3.5   drain a1
            4     stop a1
            5     remove a1, create b3
            5.5   start b3
            7.5   endpoints [a0 b2 b3]
            8     endpoints [b2 b3]
            8.5   drain a0
            9     stop a0
            10    remove a0
        "#]],
    );
}

#[test]
fn an_old_instance_finishes_its_requests() {
    let mut world = running(SURGE, 1);
    world.find("a0").in_flight = 1;
    world.deploy('B');
    world.settle(20.0);
    world.find("a0").in_flight = 0;
    assert!(world.settle(10.0));
    check(
        &world,
        expect![[r#"
            0     create b1
            0.5   start b1
            2.5   endpoints [a0 b1]
            3     endpoints [b1]
            3.5   drain a0
            20    stop a0
            21    remove a0
        "#]],
    );
}

#[test]
fn a_request_that_never_ends_does_not_keep_an_instance_for_ever() {
    let mut world = running(SURGE, 1);
    world.find("a0").in_flight = 1;
    world.deploy('B');
    assert!(world.settle(60.0));
    check(
        &world,
        expect![[r#"
            0     create b1
            0.5   start b1
            2.5   endpoints [a0 b1]
            3     endpoints [b1]
            3.5   drain a0
            33.5  stop a0
            34.5  remove a0
        "#]],
    );
}

#[test]
fn an_exclusive_volume_stops_the_old_first_and_holds_requests() {
    let mut world = running(Strategy::StopThenStart, 1);
    world.deploy('B');
    assert!(world.settle(60.0));
    check(
        &world,
        expect![[r#"
            0     create b1
            0.5   endpoints holding
            1     drain a0
            1.5   stop a0
            2.5   start b1, remove a0
            4.5   endpoints [b1]
        "#]],
    );
}

#[test]
fn d2_a_release_that_never_becomes_ready_leaves_the_old_one_serving() {
    for program in [Program::NeverReady, Program::Exits] {
        let mut world = running(SURGE, 3);
        world.programs.insert('B', program);
        world.deploy('B');
        assert!(!world.settle(600.0));
        assert_eq!(world.serving().len(), 3);
        assert!(world.serving().iter().all(|i| i.hash == content('A')));
        assert!(world.running() <= 4);
        world.trace.clear();
        // Back to what served all the while: nothing of it is made again.
        world.deploy('A');
        assert!(world.settle(30.0));
        assert!(!world.trace.join("\n").contains("create a"));
    }
}

#[test]
fn a_change_of_mind_takes_back_what_still_runs() {
    let mut world = running(SURGE, 1);
    world.find("a0").in_flight = 1;
    world.deploy('B');
    world.settle(10.0);
    world.deploy('A');
    assert!(world.settle(30.0));
    check(
        &world,
        expect![[r#"
            0     create b1
            0.5   start b1
            2.5   endpoints [a0 b1]
            3     endpoints [b1]
            3.5   drain a0
            10    endpoints [a0 b1], keep a0
            10.5  endpoints [a0]
            11    drain b1
            11.5  stop b1
            12.5  remove b1
        "#]],
    );
}

#[test]
fn a_crash_loop_rests_longer_and_longer() {
    let mut world = World::new(SURGE, 1);
    world.programs.insert('A', Program::Exits);
    world.settle(40.0);
    check(
        &world,
        expect![[r#"
            0     endpoints [], create a0
            0.5   start a0
            2.5   start a0 again
            5.5   start a0 again
            10.5  start a0 again
            19.5  start a0 again
            36.5  start a0 again
        "#]],
    );
}

#[test]
fn scaling_up_and_down_touches_no_other_instance() {
    let mut world = running(SURGE, 1);
    world.scale(3);
    assert!(world.settle(30.0));
    world.scale(2);
    assert!(world.settle(30.0));
    check(
        &world,
        expect![[r#"
            0     create a1, create a2
            0.5   start a1, start a2
            2.5   endpoints [a0 a1 a2]
            3     endpoints [a0 a1]
            3.5   drain a2
            4     stop a2
            5     remove a2
        "#]],
    );
}

#[test]
fn stopping_takes_the_instances_away_and_says_so() {
    let mut world = running(SURGE, 2);
    world.input.wish = ComponentWish::Stopped;
    assert!(world.settle(60.0));
    check(
        &world,
        expect![[r#"
            0     endpoints stopped
            0.5   drain a0, drain a1
            1     stop a0, stop a1
            2     remove a0, remove a1
        "#]],
    );
}

#[test]
fn an_instance_that_hangs_is_started_again() {
    let mut world = running(SURGE, 2);
    world.find("a1").live_failed = true;
    world.find("a1").health = Health::NotReady;
    assert!(!world.turn(|_| true).settled);
    assert!(world.settle(30.0));
    check(
        &world,
        expect![[r#"
            0     endpoints [a0], kill a1
            2     start a1 again
            4     endpoints [a0 a1]
        "#]],
    );
}

#[test]
fn a_restarted_node_concludes_nothing_before_it_has_asked() {
    let mut world = running(SURGE, 2);
    world.programs.insert('B', Program::NeverReady);
    world.deploy('B');
    world.settle(10.0);
    world.restart_node();
    let step = world.turn(|_| true);
    let stays: Vec<_> = ["a0", "a1"].map(str::to_owned).into();
    assert_eq!(
        step.actions,
        [Action::SetEndpoints(EndpointsWish::Serving(stays))]
    );
}

#[test]
fn a_program_that_may_end_is_done_when_it_has() {
    let mut world = running(SURGE, 1);
    world.input.restart = RestartPolicy::Never;
    world.crash(0);
    world.find("a0").last_exit = Some(LastExit {
        at: at(1.0),
        code: 0,
    });
    assert!(world.settle(5.0));
    assert_eq!(world.running(), 0);
}

#[test]
fn rests_double_up_to_five_minutes_and_begin_anew_after_ten_healthy_minutes() {
    let rests: Vec<u64> = (0..12)
        .map(|exits| back_off(exits).millis() / 1000)
        .collect();
    assert_eq!(rests, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(back_off(u32::MAX), Span::seconds(300));
    assert_eq!(count_exit(7, Some(at(0.0)), at(599.0)), 8);
    assert_eq!(count_exit(7, Some(at(0.0)), at(600.0)), 1);
}

#[test]
fn a_clock_set_back_does_not_make_a_wait_longer() {
    let last = LastExit {
        at: at(10_000.0),
        code: 1,
    };
    let mut world = running(SURGE, 1);
    world.crash(0);
    world.find("a0").last_exit = Some(last);
    world.turn(|_| true);
    assert_eq!(world.running(), 1);
}

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
    };
    assert!(
        starts == 0 || before.running() + starts <= most,
        "too many run"
    );

    for action in &step.actions {
        match action {
            Action::SetEndpoints(EndpointsWish::Serving(names)) => {
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
            Action::Create { .. } => assert_ne!(wanted, 0),
            _ => {}
        }
    }
}

fn live_through(mut world: World, events: &[(Event, u64)]) {
    for (event, luck) in events {
        happen(&mut world, event);
        let before = world.clone();
        // Some actions fail: the engine is busy, the node is killed half-way.
        let step = world.turn(|index| (luck >> (index % 64)) & 3 != 0);
        promises(&before, &step);
        if world.input.rollout.strategy == Strategy::StopThenStart {
            assert!(world.running() <= 1, "two run on an exclusive volume");
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
    ) {
        let mut world = World::new(Strategy::StopThenStart, 1);
        for (letter, program) in ('A'..='C').zip([programs.0, programs.1, programs.2]) {
            world.programs.insert(letter, program);
        }
        live_through(world, &events);
    }
}
