//! Scenarios over real engines: the same for Docker and Podman. They need both to run.
//!
//! Each scenario has a lane of addresses of its own, so that they can be played side by side.

mod adversity;
mod client;
mod configuration;
mod conformance;
mod drift;
mod failures;
mod growth;
mod hooks;
mod logs;
mod measure;
mod restart;
mod rollout;
mod scaling;
mod scene;

macro_rules! on_engines {
    ($($lane:literal $module:ident::$name:ident;)*) => {
        mod docker {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let scene = super::scene::Scene::open("docker", $lane).await;
                super::$module::$name(scene).await;
            }
        )*}
        mod podman {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let scene = super::scene::Scene::open("podman", $lane + 100).await;
                super::$module::$name(scene).await;
            }
        )*}
    };
}

on_engines! {
    1 rollout::from_a_stage_to_an_answer_to_nothing_left;
    2 rollout::rolling_deploys_under_load_lose_no_request;
    3 rollout::an_exclusive_volume_stops_then_starts_and_requests_are_held;
    4 rollout::a_release_that_never_becomes_ready_leaves_the_old_one_serving;
    5 rollout::a_node_killed_in_the_middle_goes_on;
    6 failures::a_program_that_ends_is_started_again_with_back_off_and_its_last_words_are_told;
    7 failures::an_instance_that_does_not_answer_is_restarted;
    8 failures::a_program_that_takes_too_much_memory_is_told_apart;
    9 failures::an_instance_that_is_not_ready_gets_no_requests_until_it_is;
    10 configuration::a_hot_file_reaches_running_instances_and_is_reloaded;
    11 drift::what_is_removed_or_stopped_by_hand_comes_back_and_strangers_are_left_alone;
    12 logs::lines_survive_the_instance_and_come_once_however_the_node_restarts;
    13 client::control_speaks_to_the_node_over_its_socket;
    16 growth::an_application_that_outgrows_its_network_gets_more_room;
    17 scaling::it_scales_itself_by_the_clock_and_by_what_it_uses;
    15 conformance::a_node_conforms;
    18 hooks::an_instance_is_ready_when_its_hooks_are_done;
    19 hooks::a_hook_that_takes_too_long_stops_its_instance;
    14 failures::what_the_engine_refuses_is_a_problem_and_what_ran_goes_on;
}
