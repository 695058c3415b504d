//! One suite for every database: each scenario is given a [`world::World`] of its own, on SQLite in a folder and on
//! PostgreSQL. PostgreSQL's run is one test: its private cluster (or the one at `PLUVIO_TEST_POSTGRES`) is started once, and
//! each scenario has a database in it. It is never skipped.

mod accounts;
mod asking;
mod audit;
mod clusters;
mod crashes;
mod deleting;
mod deploying;
mod environments;
mod events;
mod images;
mod jobs;
mod lists;
mod passkeys;
mod postgres;
mod secrets;
mod volumes;
mod world;

macro_rules! suite {
    ($($module:ident::$scenario:ident,)*) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    crate::$module::$scenario(crate::world::World::on_sqlite().await).await;
                }
            )*
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn every_scenario_holds_on_postgresql() {
            let server = crate::postgres::Server::start().await;
            let mut running = tokio::task::JoinSet::new();
            // As many at a time as keep the machine busy and no more: some scenarios look at the clock.
            let places = std::sync::Arc::new(tokio::sync::Semaphore::new(4));
            $({
                let (places, url) = (places.clone(), server.database(stringify!($scenario)).await);
                running.spawn(async move {
                    let _place = places.acquire_owned().await;
                    let scenario = tokio::spawn(async move {
                        crate::$module::$scenario(crate::world::World::on_postgres(url).await).await;
                    });
                    (stringify!($scenario), scenario.await)
                });
            })*
            let failed: Vec<&str> = running
                .join_all()
                .await
                .into_iter()
                .filter_map(|(name, result)| result.is_err().then_some(name))
                .collect();
            assert!(failed.is_empty(), "on PostgreSQL: {failed:#?} (their reasons are printed above)");
        }
    };
}

suite! {
    images::an_image_is_held_listed_within_its_quota_and_collected,
    images::a_cluster_pulls_by_its_own_credential_and_for_a_while_by_the_one_before,
    clusters::a_cluster_has_one_name_and_a_name_is_one_clusters,
    environments::an_environment_is_made_and_deleted_when_nothing_is_in_it,
    environments::some_components_are_stopped_and_stay_so,
    environments::nothing_changes_a_copy_before_its_data_are_whole,
    accounts::a_session_opens_ends_and_proves_who_asks,
    accounts::a_password_is_checked_and_its_change_ends_other_sessions,
    accounts::a_token_is_shown_once_and_stops_with_its_end,
    accounts::a_signin_link_works_once_even_for_two_at_once,
    passkeys::a_passkey_is_kept_named_used_and_removed,
    passkeys::of_two_uses_at_once_one_counts,
    passkeys::a_passkey_belongs_to_one_person,
    accounts::another_engine_is_never_taken_for_the_one_we_know,
    accounts::first_start_makes_one_of_each_and_only_once,
    accounts::data_of_a_newer_version_or_another_key_is_refused,
    audit::the_chain_shows_what_was_altered,
    audit::the_newest_rows_taken_away_are_missed,
    audit::records_are_found_by_who_what_where_and_when,
    audit::many_writers_at_once_lose_no_record,
    audit::one_process_at_a_time_seals,
    crashes::a_verb_that_is_cut_anywhere_leaves_nothing_half,
    crashes::a_committed_deploy_is_there_after_a_restart,
    deleting::a_deleted_application_leaves_its_volumes_only,
    deleting::deleting_ends_what_was_under_way,
    deploying::a_deploy_becomes_a_release_and_goes_live,
    deploying::a_build_older_than_the_last_deploy_is_recorded_not_promoted,
    deploying::patches_made_during_a_build_are_in_its_release,
    deploying::patches_at_once_all_survive,
    deploying::a_failed_release_goes_back_to_the_last_live_one,
    deploying::a_first_release_that_fails_is_tried_again_by_a_start,
    deploying::a_cancelled_first_release_is_switched_off,
    asking::a_refused_decision_leaves_nothing,
    asking::a_host_belongs_to_one_application,
    asking::an_apply_is_told_what_others_changed_since,
    asking::a_repeated_request_is_the_same_request,
    deploying::stopping_and_starting_keep_the_release,
    asking::an_edit_of_what_was_changed_meanwhile_is_refused,
    deploying::a_stale_generation_changes_nothing,
    asking::a_queued_build_is_cancelled_at_once_and_a_running_one_by_its_worker,
    events::another_process_is_woken_within_200_milliseconds,
    events::a_reader_misses_no_event_of_many_writers,
    events::events_are_told_to_those_they_concern,
    jobs::two_processes_share_the_work_and_do_each_job_once,
    jobs::a_worker_killed_mid_lease_loses_nothing,
    jobs::a_job_that_takes_its_workers_down_is_given_up,
    jobs::a_clock_turned_back_does_not_keep_a_dead_lease,
    jobs::a_job_given_back_is_taken_again,
    lists::pages_of_applications_show_each_once_and_no_other_teams,
    lists::releases_and_operations_come_newest_first,
    lists::what_has_had_its_time_is_pruned,
    secrets::no_secret_is_in_the_database_in_plain,
    secrets::a_secret_has_versions_and_is_forgotten_when_nothing_names_it,
    secrets::generated_secrets_are_made_once,
    secrets::a_secret_that_comes_with_a_deploy_again_keeps_its_version,
    volumes::a_deleted_volume_can_be_had_back_until_its_end,
    volumes::an_exclusive_volume_is_one_applications,
    volumes::a_name_means_one_volume_of_an_application,
    volumes::a_copy_is_whole_or_nothing,
    volumes::a_volume_of_another_team_is_neither_taken_nor_copied,
}
