//! `uninstall`: everything that Pluvio made goes. What a cluster that does not answer holds stays there, and is named.

use std::collections::{BTreeMap, HashSet};
use std::future::pending;
use std::time::Duration;

use pluvio_api::applications::{ApplicationSummary, Page};
use pluvio_api::clusters::{ClusterRemoved, ClusterState, ClusterSummary};
use pluvio_api::environments::{EnvironmentDeleted, EnvironmentSummary};
use pluvio_api::volumes::VolumeSummary;
use pluvio_model::facts::RuntimeKind;
use pluvio_model::operation::{Operation, Outcome};
use pluvio_model::problem::{self, Problem};
use pluvio_plan::lower::kubernetes::namespace;

use super::up::end;
use super::{Done, apps, confirm};
use crate::cli::UpArgs;
use crate::config::Config;
use crate::context::{Context, escape};

/// How long a cluster that does not answer is waited for.
const AWAY: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_secs(1);
/// A cluster ends pods, then namespaces, each for two minutes at most.
const LEAVING: Duration = Duration::from_secs(300);

/// Clusters that were not reached, by name, and why.
type Unreached = BTreeMap<String, (ClusterSummary, Problem)>;

pub(crate) async fn uninstall(
    context: &Context,
    delete_data: &[String],
    keep_bases: bool,
    yes: bool,
) -> Done {
    if !yes {
        confirm(
            "This removes every application, route, image, log and setting that Pluvio made.",
            "uninstall",
            "--yes",
        )?;
    }
    let environments = format!(
        "/api/v1/teams/{}/environments",
        escape(&context.global.team)
    );
    let all: Vec<EnvironmentSummary> = apps::all(context, &environments).await?;
    let mut unreached = Unreached::new();
    for environment in &all {
        if unreached.contains_key(&environment.cluster) {
            continue;
        }
        let path = format!("{environments}/{}", escape(&environment.name));
        let deleting = delete_all(context, &path);
        reach(context, &environment.cluster, &mut unreached, deleting).await?;
    }
    let mut kept = volumes(context, &environments, &all, delete_data, &mut unreached).await?;
    kept.extend(leave_clusters(context, &environments, &all, &mut unreached).await?);
    remove_here(context, keep_bases).await?;
    if !unreached.is_empty() {
        return Err(left_behind(context, &unreached, &all, &kept));
    }
    if context.out.json {
        let told = serde_json::json!({ "volumes_kept": kept });
        context.out.document(&told);
    } else if kept.is_empty() {
        context.out.line("Removed. Nothing is left.");
    } else {
        context.out.line(format!(
            "Removed. These data volumes are kept: {}.",
            kept.join(", ")
        ));
    }
    Ok(())
}

/// Does something on a cluster, unless that has not answered for as long as it is waited for: then it is noted, and the rest goes
/// on. What the engine of this machine refuses is an error.
async fn reach<T>(
    context: &Context,
    cluster: &str,
    unreached: &mut Unreached,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<Option<T>, Problem> {
    let failed = tokio::select! {
        done = work => match done {
            Ok(done) => return Ok(Some(done)),
            Err(problem) => problem,
        },
        problem = away(context, cluster) => problem,
    };
    let there: Vec<ClusterSummary> = apps::all(context, "/api/v1/clusters").await?;
    let there = there.into_iter().find(|one| one.name == cluster);
    match there.filter(|one| one.kind == RuntimeKind::Kubernetes && is_silent(one, &failed)) {
        Some(there) => {
            let name = &there.name;
            context
                .out
                .say(format!("{name}: {} The rest goes on.", failed.cause));
            unreached.insert(name.clone(), (there, failed));
            Ok(None)
        }
        None => Err(failed),
    }
}

/// Whether what failed on the cluster failed because it does not answer. One that answers, and takes long or refuses, is no reason
/// to forget how it is reached: what runs there would go on.
fn is_silent(cluster: &ClusterSummary, failed: &Problem) -> bool {
    failed.is(problem::CLUSTER_UNREACHABLE)
        || failed.is(problem::TIMED_OUT)
            && cluster.state == ClusterState::Away
            && why_away(cluster).is(problem::CLUSTER_UNREACHABLE)
}

fn why_away(cluster: &ClusterSummary) -> Problem {
    let untold = || {
        let cause = format!("{} does not answer.", cluster.name);
        problem::CLUSTER_UNREACHABLE.problem(cause, "`pluvio cluster check` tells how it is.")
    };
    cluster.problem.clone().unwrap_or_else(untold)
}

/// Ends when the cluster has not answered, or has refused, for long; never of one that does as it is told, or of the engine.
async fn away(context: &Context, cluster: &str) -> Problem {
    let mut left = AWAY;
    loop {
        tokio::time::sleep(LOOK).await;
        let all = apps::all::<ClusterSummary>(context, "/api/v1/clusters").await;
        let found = all
            .ok()
            .and_then(|all| all.into_iter().find(|one| one.name == cluster));
        let Some(found) = found else { continue };
        if found.kind != RuntimeKind::Kubernetes {
            return pending().await;
        }
        if found.state != ClusterState::Away {
            left = AWAY;
            continue;
        }
        if left == AWAY {
            let seconds = AWAY.as_secs();
            context.out.say(format!(
                "{cluster}: {} It is waited for, {seconds} seconds at most.",
                why_away(&found).cause
            ));
        }
        left = left.saturating_sub(LOOK);
        if left.is_zero() {
            return why_away(&found);
        }
    }
}

/// Deletes the data volumes that are named, and answers those that stay.
async fn volumes(
    context: &Context,
    environments: &str,
    all: &[EnvironmentSummary],
    delete_data: &[String],
    unreached: &mut Unreached,
) -> Result<Vec<String>, Problem> {
    let client = context.client()?;
    let (mut kept, mut met) = (Vec::new(), HashSet::new());
    for environment in all {
        let path = format!("{environments}/{}/volumes", escape(&environment.name));
        let volumes: Vec<VolumeSummary> = apps::all(context, &path).await?;
        // One whose environment is gone is listed in each.
        for volume in volumes.into_iter().filter(|v| met.insert(v.id)) {
            let is_there = !unreached.contains_key(&environment.cluster);
            if delete_data.contains(&volume.name) && is_there {
                let (id, name) = (volume.id, escape(&volume.name));
                let path = format!("{path}/{id}?confirm={name}&now=true");
                let deleting = client.delete::<VolumeSummary>(&path);
                reach(context, &environment.cluster, unreached, deleting).await?;
            } else {
                kept.push(volume.name);
            }
        }
    }
    Ok(kept)
}

/// Takes every cluster out, with the environments on it; answers the data volumes that stay there.
async fn leave_clusters(
    context: &Context,
    environments: &str,
    all: &[EnvironmentSummary],
    unreached: &mut Unreached,
) -> Result<Vec<String>, Problem> {
    let client = context.client()?;
    let mut kept = Vec::new();
    let clusters: Vec<ClusterSummary> = apps::all(context, "/api/v1/clusters").await?;
    for cluster in clusters {
        if cluster.kind != RuntimeKind::Kubernetes || unreached.contains_key(&cluster.name) {
            continue;
        }
        for environment in all.iter().filter(|one| one.cluster == cluster.name) {
            let name = escape(&environment.name);
            let path = format!("{environments}/{name}?confirm={name}");
            let _: EnvironmentDeleted = client.delete(&path).await?;
        }
        let name = escape(&cluster.name);
        let path = format!("/api/v1/clusters/{name}?confirm={name}");
        let leaving = async {
            let removing = tokio::time::timeout(LEAVING, client.delete::<ClusterRemoved>(&path));
            removing.await.unwrap_or_else(|_| {
                let minutes = LEAVING.as_secs() / 60;
                let late = format!("{} was not left within {minutes} minutes.", cluster.name);
                Err(problem::TIMED_OUT.problem(late, "`pluvio cluster check` tells how it is."))
            })
        };
        if let Some(removed) = reach(context, &cluster.name, unreached, leaving).await? {
            let left = removed.volumes.into_iter();
            kept.extend(
                left.map(|one| format!("{} in {} on {}", one.name, one.namespace, cluster.name)),
            );
        }
    }
    Ok(kept)
}

/// What this machine has of it.
async fn remove_here(context: &Context, keep_bases: bool) -> Done {
    end(&context.data, "control").await;
    end(&context.data, "node").await;
    let config = Config::read(&context.data, &UpArgs::default())?;
    if let Ok(pool) = config.pool.value.parse() {
        pluvio_node::forget_pool(pool).await;
    }
    if let Ok(engine) = pluvio_engine::find_engine(config.engine.value.as_deref()).await {
        let owner = std::fs::read_to_string(context.data.join("installation")).unwrap_or_default();
        let settings = pluvio_build::BuildSettings {
            owner: owner.trim().to_owned(),
            work: context.data.join("work"),
            registry: None,
            limits: pluvio_build::BuildLimits::of_machine(4 << 30),
        };
        // Control has ended: the database is nobody's now, and tells whose caches these are.
        let seal = pluvio_store::Seal::open_or_create(&context.data.join("seal.key"))
            .map_err(Problem::from)?;
        let store = pluvio_store::Store::open(&config.database.value, seal)
            .await
            .map_err(Problem::from)?;
        let team = store.home().team;
        store.close().await;
        let hands = engine.clone();
        pluvio_node::forget_hands(&hands, &context.data).await?;
        let builder = pluvio_build::Builder::new(engine, settings);
        builder.forget_team(team).await?;
        if !keep_bases {
            hands.forget_labelled(pluvio_node::HAND_IMAGES, "").await;
            builder.forget_bases().await?;
        }
    }
    std::fs::remove_dir_all(&context.data).map_err(|e| {
        problem::REFUSED.problem(
            format!("{} cannot be removed: {e}.", context.data.display()),
            "Remove it by hand.",
        )
    })?;
    Ok(())
}

/// Everything else is gone; what is on these clusters has to be taken away there.
fn left_behind(
    context: &Context,
    unreached: &Unreached,
    all: &[EnvironmentSummary],
    kept: &[String],
) -> Problem {
    let mut lines = Vec::new();
    for (cluster, why) in unreached.values() {
        let on_it = all.iter().filter(|one| one.cluster == cluster.name);
        let mut spaces = vec![cluster.settings.home().to_owned()];
        spaces.extend(on_it.map(|one| namespace(&context.global.team, &one.name)));
        let name = &cluster.name;
        lines.push(format!("{name} ({}): {}", cluster.address, why.cause));
        lines.push(format!("{name} keeps the namespaces {}", spaces.join(", ")));
    }
    if !kept.is_empty() {
        lines.push(format!("data volumes that are kept: {}", kept.join(", ")));
    }
    let names: Vec<&str> = unreached.keys().map(String::as_str).collect();
    let told = problem::CLUSTER_UNREACHABLE.problem(
        format!("Everything is removed but what is on {}, which did not answer.", names.join(", ")),
        "When it answers again, `kubectl delete namespace` with the names below takes it away, data volumes in them included.",
    );
    told.evidence(lines)
}

/// Deletes every application of an environment, by its path.
async fn delete_all(context: &Context, environment: &str) -> Done {
    let client = context.client()?;
    loop {
        let page: Page<ApplicationSummary> = client
            .get(&format!("{environment}/applications?limit=200"))
            .await?;
        if page.items.is_empty() {
            return Ok(());
        }
        for app in &page.items {
            let name = escape(&app.name);
            let path = format!("{environment}/applications/{name}?confirm={name}");
            match client.delete::<Operation>(&path).await {
                Ok(operation) => {
                    let ended = context.follow(operation).await?;
                    if let Some(Outcome::Failed { problem }) = ended.outcome {
                        return Err(*problem);
                    }
                }
                Err(problem) if problem.is(problem::NOT_FOUND) => {}
                Err(problem) => return Err(problem),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_answers_and_refuses_is_not_passed_over() {
        let cluster: ClusterSummary = serde_json::from_value(serde_json::json!({
            "name": "far",
            "kind": "kubernetes",
            "address": "https://cluster.example",
            "state": "away",
            "settings": {},
            "environments": [],
            "created_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap();
        let because = |problem: &Problem| ClusterSummary {
            problem: Some(problem.clone()),
            ..cluster.clone()
        };
        let refused = problem::REFUSED.problem("It does not accept the credential.", "Renew it.");
        let silent = problem::CLUSTER_UNREACHABLE.problem("Nothing answers.", "Look there.");
        let late = problem::TIMED_OUT.problem("It was not left.", "Look there.");
        for (cluster, failed, passed) in [
            (because(&refused), why_away(&because(&refused)), false),
            (because(&refused), late.clone(), false),
            (because(&silent), why_away(&because(&silent)), true),
            (because(&silent), late, true),
            (cluster.clone(), why_away(&cluster), true),
        ] {
            assert_eq!(is_silent(&cluster, &failed), passed, "{failed:?}");
        }
        // With what mends it, not with another's remedy.
        assert_eq!(why_away(&because(&refused)).remedy, "Renew it.");
    }
}
