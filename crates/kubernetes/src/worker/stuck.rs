//! Ways out of an update of instances with names that does not come to an end.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::ResourceExt;
use kube::api::{DeleteParams, Preconditions};
use pluvio_model::release::DecidedComponent;
use pluvio_model::spec::Kind;
use pluvio_model::stage::RunWish;

use super::Worker;
use crate::cache::Held;
use crate::failure::is_not_found;
use crate::{instances, obstacle};

/// An instance that does not serve for a moment only is none that is stuck.
const MOMENT: SignedDuration = SignedDuration::from_secs(5);

impl Worker {
    /// A StatefulSet waits for a pod to become ready before it replaces it, and does so for ever when the pod's content is what
    /// keeps it from that. Such a pod is taken away, so that one of the wanted content comes.
    /// (Source: kubernetes.io/docs/concepts/workloads/controllers/statefulset, "Forced rollback".)
    pub(super) async fn free_stuck(&mut self, wish: &RunWish, held: &Held) {
        let asked = self.book().stage.generation;
        let before = self.turned_to.replace(asked);
        if before.is_some_and(|before| before < asked) && !self.begin_again(wish, held).await {
            self.turned_to = before;
        }
        let components = wish.release.components.values();
        let components = components.filter(|one| {
            one.kind == Kind::Stateful
                && wish.components.contains(&one.name)
                && wish.is_on(&one.name)
        });
        for component in components {
            if let Some(pod) = stuck(component, held, Timestamp::now()) {
                self.take_away(pod, "it keeps its component from being updated")
                    .await;
            }
        }
    }

    /// A program that ends again and again is started after pauses of up to five minutes. Once something is asked for anew, what it
    /// lacked may be there: such pods are taken away, and their followers begin at once.
    /// True when none is left that was seen to rest.
    async fn begin_again(&self, wish: &RunWish, held: &Held) -> bool {
        let mut done = true;
        let wanted = wish.release.components.values();
        let wanted = wanted.filter(|one| {
            matches!(
                one.kind,
                Kind::Service | Kind::Stateful | Kind::Daemon | Kind::Database
            ) && wish.is_on(&one.name)
        });
        for component in wanted {
            let of_it = held.pods.iter().filter(|pod| {
                instances::component(pod).as_ref() == Some(&component.name)
                    && instances::hash(pod).as_ref() == Some(&component.hash)
                    && pod.metadata.deletion_timestamp.is_none()
                    && obstacle::statuses(pod).any(rests)
            });
            for pod in of_it {
                let why = "it rests after its program ended, and is asked for anew";
                done &= self.take_away(pod, why).await;
            }
        }
        done
    }

    /// Unless it has changed since it was seen. False: it is there still.
    async fn take_away(&self, pod: &Pod, why: &str) -> bool {
        let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: pod.metadata.uid.clone(),
                resource_version: pod.metadata.resource_version.clone(),
            }),
            ..DeleteParams::default()
        };
        let pods: Api<Pod> = Api::namespaced(self.client().clone(), &namespace);
        match pods.delete(&name, &params).await {
            Ok(_) => {
                tracing::info!(%name, why, "a pod was taken away");
                true
            }
            Err(error) if is_not_found(&error) => true,
            // With the next look.
            Err(error) => {
                tracing::debug!(%name, %error, why, "a pod could not be taken away");
                false
            }
        }
    }
}

/// The last pod of another content that is not ready, once nothing of the wanted content is under way. One that served has as long
/// as an update may take: a member of a database that elects or catches up is back by then, and others may be missing meanwhile.
fn stuck<'a>(component: &DecidedComponent, held: &'a Held, now: Timestamp) -> Option<&'a Pod> {
    let all = held.pods.iter().map(AsRef::as_ref);
    let mut pods: Vec<&Pod> = all
        .filter(|pod| instances::component(pod).as_ref() == Some(&component.name))
        .collect();
    pods.sort_by_key(|pod| instances::ordinal(pod));
    let is_wanted = |pod: &Pod| instances::hash(pod).as_ref() == Some(&component.hash);
    let is_under_way = pods.iter().any(|pod| {
        pod.metadata.deletion_timestamp.is_some()
            || is_wanted(pod) && instances::unready_since(pod, now).is_some()
    });
    if is_under_way {
        return None;
    }
    let deadline = SignedDuration::try_from(component.rollout.deadline.duration());
    let deadline = deadline.unwrap_or(SignedDuration::MAX);
    pods.into_iter().rev().find(|pod| {
        let since = instances::unready_since(pod, now);
        let patience = match is_by_content(pod) {
            true => MOMENT,
            false => deadline.max(MOMENT),
        };
        !is_wanted(pod) && since.is_some_and(|since| now.duration_since(since) >= patience)
    })
}

/// Whether a container waits to be started again.
fn rests(status: &ContainerStatus) -> bool {
    let waiting = obstacle::waiting(status).and_then(|waiting| waiting.reason.as_deref());
    waiting == Some("CrashLoopBackOff")
}

/// Whether its content keeps a pod that is not ready from ever serving, as far as the cluster tells.
fn is_by_content(pod: &Pod) -> bool {
    let waits_for_good =
        |status: &ContainerStatus| rests(status) || obstacle::unmade(status).is_some();
    instances::is_over(pod)
        || !instances::was_ready(pod)
        || obstacle::statuses(pod).any(waits_for_good)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pluvio_model::id::ClusterId;
    use pluvio_model::image::ContentHash;
    use pluvio_model::quantity::Span;
    use pluvio_model::stage::Wish;
    use pluvio_plan::lower::kubernetes::key;
    use pluvio_runtime::conformance::Example;
    use serde_json::json;

    use super::*;

    const AT: &str = "2026-01-01T00:00:00Z";
    /// Before that it was ready.
    const SERVED: &str = "2025-12-31T23:00:00Z";

    fn component(hash: &ContentHash) -> DecidedComponent {
        let image = ("shop".to_owned(), "shop".to_owned());
        let mut example = Example {
            instances: 3,
            ..Example::new(ClusterId(uuid::Uuid::nil()), image)
        };
        let stage = example.stage();
        let Wish::Run(wish) = stage.wish else {
            panic!("{stage:?}");
        };
        let mut component = wish.release.components[0].clone();
        component.name = "db".parse().expect("a name");
        component.hash = hash.clone();
        component.rollout.deadline = Span::seconds(60);
        component
    }

    fn pod(ordinal: u32, hash: &ContentHash, ready: bool) -> Pod {
        let status = if ready { "True" } else { "False" };
        let pod = json!({
            "metadata": {
                "name": format!("shop--db-{ordinal}"),
                "labels": { (key::COMPONENT): "db", "apps.kubernetes.io/pod-index": ordinal.to_string() },
                "annotations": { (key::HASH): hash },
            },
            "status": { "conditions": [{ "type": "Ready", "status": status, "lastTransitionTime": AT }] },
        });
        serde_json::from_value(pod).expect("a pod")
    }

    /// Initialized at a time, and for a reason not running.
    fn with(mut pod: Pod, initialized: &str, waits: &str) -> Pod {
        let status = json!({
            "conditions": [
                { "type": "Ready", "status": "False", "lastTransitionTime": AT },
                { "type": "Initialized", "status": "True", "lastTransitionTime": initialized },
            ],
            "containerStatuses": [{
                "name": "db", "image": "", "imageID": "", "ready": false, "restartCount": 1,
                "state": { "waiting": { "reason": waits } },
            }],
        });
        pod.status = Some(serde_json::from_value(status).expect("a status"));
        pod
    }

    #[test]
    fn the_last_of_another_content_that_does_not_serve_goes_while_nothing_else_is_under_way() {
        let (wanted, other) = (ContentHash::of(&"wanted"), ContentHash::of(&"other"));
        let begin: Timestamp = AT.parse().expect("a time");
        let later = begin + SignedDuration::from_secs(10);
        let db = component(&wanted);
        let found = |pods: Vec<Pod>, now: Timestamp| {
            let held = Held {
                pods: pods.into_iter().map(Arc::new).collect(),
                ..Held::default()
            };
            stuck(&db, &held, now).map(Pod::name_any)
        };
        let three = |first, second: (&ContentHash, bool), third: (&ContentHash, bool)| {
            let first = pod(0, &wanted, first);
            vec![first, pod(1, second.0, second.1), pod(2, third.0, third.1)]
        };
        let two = Some("shop--db-2".to_owned());
        let broken = three(true, (&wanted, true), (&other, false));
        assert_eq!(found(broken.clone(), later), two);
        // For a moment.
        assert_eq!(found(broken, begin), None);
        // One at a time, the last first, and none while one of the wanted content is on its way or one leaves.
        let all = three(true, (&other, false), (&other, false));
        assert_eq!(found(all, later), two);
        let waits = three(false, (&wanted, true), (&other, false));
        assert_eq!(found(waits, later), None);
        let mut leaves = three(true, (&other, true), (&other, false));
        leaves[1].metadata.deletion_timestamp = leaves[1].status.as_ref().and_then(|status| {
            let conditions = status.conditions.as_ref()?;
            conditions[0].last_transition_time.clone()
        });
        assert_eq!(found(leaves, later), None);
        // What serves is the StatefulSet's to replace.
        let serves = three(true, (&other, true), (&other, true));
        assert_eq!(found(serves, later), None);
        // One that served may be back by itself, whether the next is missing or not.
        let long = begin + SignedDuration::from_secs(60);
        let mut served = three(true, (&other, false), (&other, true));
        served[1] = with(served[1].clone(), SERVED, "");
        assert_eq!(found(served.clone(), later), None);
        let one = Some("shop--db-1".to_owned());
        assert_eq!(found(served.clone(), long), one);
        served.truncate(2);
        assert_eq!(found(served.clone(), later), None);
        assert_eq!(found(served.clone(), long), one);
        // But not by what keeps it from starting again; then, nothing makes the one that is missing.
        served[1] = with(served[1].clone(), SERVED, "CrashLoopBackOff");
        assert_eq!(found(served.clone(), later), one);
        served[1] = with(served[1].clone(), SERVED, "ContainerCreating");
        assert_eq!(found(served.clone(), later), None);
        let first = with(pod(0, &other, false), AT, "");
        assert_eq!(found(vec![first], later), Some("shop--db-0".to_owned()));
    }
}
