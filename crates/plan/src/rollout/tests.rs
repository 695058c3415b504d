use expect_test::{Expect, expect};
use pluvio_model::release::Strategy;

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
            2.5   remove a0
            3     start b1
            5     endpoints [b1]
        "#]],
    );
}

#[test]
fn what_init_steps_write_to_is_free_before_they_are_made() {
    let mut world = running(Strategy::StopThenStart, 1);
    world.input.made_alone = true;
    world.deploy('B');
    assert!(world.settle(60.0));
    check(
        &world,
        expect![[r#"
            0     endpoints holding
            0.5   drain a0
            1     stop a0
            2     remove a0
            2.5   create b0
            3     start b0
            5     endpoints [b0]
        "#]],
    );
}

#[test]
fn instances_with_names_start_one_after_the_other() {
    let mut world = World::new(Strategy::Ordered, 3);
    assert!(world.settle(60.0));
    check(
        &world,
        expect![[r#"
            0     endpoints holding, create a0
            0.5   start a0
            2.5   endpoints [a0]
            3     create a1
            3.5   start a1
            5.5   endpoints [a0 a1]
            6     create a2
            6.5   start a2
            8.5   endpoints [a0 a1 a2]
        "#]],
    );
}

#[test]
fn instances_with_names_are_replaced_from_the_last_one_at_a_time() {
    let mut world = running(Strategy::Ordered, 3);
    world.deploy('B');
    assert!(world.settle(60.0));
    check(
        &world,
        expect![[r#"
            0     create b2
            0.5   endpoints [a0 a1]
            1     drain a2
            1.5   stop a2
            2.5   remove a2
            3     start b2
            5     endpoints [a0 a1 b2]
            5.5   create b1
            6     endpoints [a0 b2]
            6.5   drain a1
            7     stop a1
            8     remove a1
            8.5   start b1
            10.5  endpoints [a0 b1 b2]
            11    create b0
            11.5  endpoints [b1 b2]
            12    drain a0
            12.5  stop a0
            13.5  remove a0
            14    start b0
            16    endpoints [b0 b1 b2]
        "#]],
    );
}

#[test]
fn of_instances_with_names_the_last_leave_first_and_come_back() {
    let mut world = running(Strategy::Ordered, 3);
    world.scale(1);
    assert!(world.settle(60.0));
    world.scale(3);
    assert!(world.settle(60.0));
    check(
        &world,
        expect![[r#"
            0     endpoints [a0 a1]
            0.5   drain a2
            1     stop a2
            2     endpoints [a0], remove a2
            2.5   drain a1
            3     stop a1
            4     remove a1
            4.5   create a1
            5     start a1
            7     endpoints [a0 a1]
            7.5   create a2
            8     start a2
            10    endpoints [a0 a1 a2]
        "#]],
    );
}

#[test]
fn an_update_that_fails_costs_one_name_which_comes_back_first() {
    let mut world = running(Strategy::Ordered, 3);
    world.programs.insert('B', Program::Good);
    world.programs.insert('C', Program::NeverReady);
    world.deploy('C');
    assert!(!world.settle(600.0));
    assert_eq!(world.serving().len(), 2);
    assert!(world.serving().iter().all(|i| i.hash == content('A')));
    world.trace.clear();
    world.now = at(0.0);
    world.deploy('A');
    assert!(world.settle(60.0));
    check(
        &world,
        expect![[r#"
            0     create a2
            0.5   stop c2
            1.5   remove c2
            2     start a2
            4     endpoints [a0 a1 a2]
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
fn while_a_task_works_on_its_volume_nothing_of_it_runs_and_requests_wait() {
    let mut world = running(Strategy::StopThenStart, 1);
    world.input.wish = ComponentWish::Paused;
    assert!(world.settle(60.0));
    world.deploy('B');
    assert!(world.settle(60.0));
    check(
        &world,
        expect![[r#"
            0     endpoints holding
            0.5   drain a0
            1     stop a0
            2     remove a0
            2.5   create b0
            3     start b0
            5     endpoints [b0]
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
